-- A key may name the client certificate (SHA-256, hex) that it is good with. The function says it,
-- beside what it said before: the code before this reads its answer by the columns' names.

ALTER TABLE partner_keys ADD COLUMN client_certificate TEXT;

-- Made anew in the same transaction, with more columns after those that the code before reads by name.
-- squawk-ignore ban-drop-function
DROP FUNCTION partner_key_lookup(uuid);

CREATE FUNCTION partner_key_lookup(wanted uuid) RETURNS TABLE (
            key_id uuid, partner_id uuid, installation_id uuid, secret_hash bytea, scopes text[],
            allowed_networks text[], expires_at timestamptz, revoked_at timestamptz,
            state text, name text, client_certificate text
        ) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
            SELECT k.id, k.partner_id, k.installation_id, k.secret_hash, k.scopes,
                   k.allowed_networks, k.expires_at, k.revoked_at, p.state, p.name,
                   k.client_certificate
            FROM public.partner_keys k JOIN public.partners p ON p.id = k.partner_id
            WHERE k.id = wanted
        $$;

REVOKE ALL ON FUNCTION partner_key_lookup(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION partner_key_lookup(uuid) TO tandem_app, tandem_staff;
