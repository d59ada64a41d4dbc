-- A key that needs a certificate must not become one that doesn't: those end here.

UPDATE partner_keys SET revoked_at = now() WHERE client_certificate IS NOT NULL AND revoked_at IS NULL;

DROP FUNCTION partner_key_lookup(uuid);

CREATE FUNCTION partner_key_lookup(wanted uuid) RETURNS TABLE (
            key_id uuid, partner_id uuid, installation_id uuid, secret_hash bytea, scopes text[],
            allowed_networks text[], expires_at timestamptz, revoked_at timestamptz,
            state text, name text
        ) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
            SELECT k.id, k.partner_id, k.installation_id, k.secret_hash, k.scopes,
                   k.allowed_networks, k.expires_at, k.revoked_at, p.state, p.name
            FROM public.partner_keys k JOIN public.partners p ON p.id = k.partner_id
            WHERE k.id = wanted
        $$;

REVOKE ALL ON FUNCTION partner_key_lookup(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION partner_key_lookup(uuid) TO tandem_app, tandem_staff;

ALTER TABLE partner_keys DROP COLUMN client_certificate;
