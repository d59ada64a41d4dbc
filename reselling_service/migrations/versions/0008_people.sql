-- People: second factors of staff, sessions that can be told apart, attempts by address.

-- Sessions: a name for their owner, when they were last used, and from where. The default is for the
-- release before this one, which knows of no ids. Sessions end within days, so that the tables are
-- small enough to be written anew while logins wait a moment.
ALTER TABLE staff_sessions
    -- squawk-ignore adding-field-with-default
    ADD COLUMN id UUID NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN seen_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN address TEXT,
    ADD COLUMN agent TEXT,
    -- squawk-ignore constraint-missing-not-valid, disallowed-unique-constraint
    ADD CONSTRAINT uq_staff_sessions_id UNIQUE (id);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_staff_sessions_expires_at ON staff_sessions (expires_at);

ALTER TABLE client_sessions
    -- squawk-ignore adding-field-with-default
    ADD COLUMN id UUID NOT NULL DEFAULT gen_random_uuid(),
    ADD COLUMN seen_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN address TEXT,
    ADD COLUMN agent TEXT,
    -- squawk-ignore constraint-missing-not-valid, disallowed-unique-constraint
    ADD CONSTRAINT uq_client_sessions_id UNIQUE (id);

-- squawk-ignore require-concurrent-index-creation
CREATE INDEX ix_client_sessions_expires_at ON client_sessions (expires_at);

-- Attempts: when a login last succeeded from an address.
ALTER TABLE staff_lockouts ADD COLUMN succeeded_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE client_lockouts ADD COLUMN succeeded_at TIMESTAMP WITH TIME ZONE;

CREATE TABLE staff_factors (
    staff_id UUID NOT NULL,
    secret BYTEA NOT NULL,
    last_step BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    confirmed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_staff_factors PRIMARY KEY (staff_id),
    CONSTRAINT fk_staff_factors_staff_id_staff FOREIGN KEY(staff_id) REFERENCES staff (id)
);

CREATE TABLE staff_recovery_codes (
    code_hash BYTEA NOT NULL,
    staff_id UUID NOT NULL,
    CONSTRAINT pk_staff_recovery_codes PRIMARY KEY (code_hash),
    CONSTRAINT fk_staff_recovery_codes_staff_id_staff FOREIGN KEY(staff_id) REFERENCES staff (id)
);

CREATE INDEX ix_staff_recovery_codes_staff_id ON staff_recovery_codes (staff_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON staff_factors, staff_recovery_codes TO tandem_staff;

-- As client_session, which stays for the release before: also tells when the session was last used,
-- and finds none that nobody has used since `idle_since`.
CREATE FUNCTION client_session_seen(wanted_hash bytea, at timestamptz, idle_since timestamptz)
RETURNS TABLE (id uuid, seen_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT client_id, coalesce(s.seen_at, s.created_at)
    FROM client_sessions s JOIN clients USING (client_id)
    WHERE token_hash = wanted_hash AND expires_at > at AND state = 'active'
        AND coalesce(s.seen_at, s.created_at) > idle_since
$$;

REVOKE ALL ON FUNCTION client_session_seen(bytea, timestamptz, timestamptz) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION client_session_seen(bytea, timestamptz, timestamptz) TO tandem_app;
