-- The first tables of the reselling service: tables and indexes, then what the database guards
-- itself (triggers), then who may see what (grants and row-level security).

CREATE TABLE jobs (
    id BIGINT GENERATED ALWAYS AS IDENTITY,
    kind TEXT NOT NULL,
    lane UUID,
    priority SMALLINT NOT NULL,
    tenant_id UUID,
    payload JSONB NOT NULL,
    dedupe_key TEXT,
    state TEXT NOT NULL,
    run_at TIMESTAMP WITH TIME ZONE NOT NULL,
    again_at TIMESTAMP WITH TIME ZONE,
    attempts INTEGER NOT NULL,
    claims BIGINT NOT NULL,
    max_attempts INTEGER NOT NULL,
    worker INTEGER,
    lease_until TIMESTAMP WITH TIME ZONE,
    last_error TEXT,
    traceparent TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (id),
    CONSTRAINT ck_jobs_state CHECK (state IN ('ready', 'running', 'dead')),
    CONSTRAINT ck_jobs_claimed CHECK ((state = 'running') = (worker IS NOT NULL AND lease_until IS NOT NULL)),
    CONSTRAINT uq_jobs_dedupe_key UNIQUE (dedupe_key)
);

CREATE INDEX ix_jobs_claimed ON jobs (lease_until) WHERE state = 'running';

CREATE UNIQUE INDEX uq_jobs_running_lane ON jobs (lane) WHERE state = 'running';

CREATE INDEX ix_jobs_due ON jobs (run_at, id) WHERE state = 'ready';

CREATE INDEX ix_jobs_urgent ON jobs (priority, run_at, id) WHERE state = 'ready' AND priority < 100;

CREATE INDEX ix_jobs_lane ON jobs (lane, priority, id);

CREATE TABLE workers (
    worker INTEGER NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_workers PRIMARY KEY (worker)
);

CREATE TABLE sandbox_clock (
    "only" BOOLEAN NOT NULL,
    offset_seconds BIGINT NOT NULL,
    CONSTRAINT pk_sandbox_clock PRIMARY KEY ("only")
);

CREATE TABLE clients (
    client_id UUID NOT NULL,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    phone TEXT,
    address TEXT,
    note TEXT,
    password_hash TEXT,
    state TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_clients PRIMARY KEY (client_id),
    CONSTRAINT ck_clients_state CHECK (state IN ('active', 'closed')),
    CONSTRAINT ck_clients_email CHECK (email = lower(email)),
    CONSTRAINT uq_clients_email UNIQUE (email)
);

CREATE TABLE client_lockouts (
    login_hash BYTEA NOT NULL,
    attempts INTEGER NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_client_lockouts PRIMARY KEY (login_hash)
);

CREATE INDEX ix_client_lockouts_last_at ON client_lockouts (last_at);

CREATE TABLE balances (
    client_id UUID NOT NULL,
    currency TEXT NOT NULL,
    balance BIGINT DEFAULT '0' NOT NULL,
    held BIGINT DEFAULT '0' NOT NULL,
    credit_limit BIGINT DEFAULT '0' NOT NULL,
    postings BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_balances PRIMARY KEY (client_id),
    CONSTRAINT ck_balances_held CHECK (held >= 0),
    CONSTRAINT ck_balances_credit_limit CHECK (credit_limit BETWEEN 0 AND 4503599627370495),
    CONSTRAINT ck_balances_balance CHECK (balance BETWEEN -4503599627370495 AND 4503599627370495)
);

CREATE TABLE holds (
    client_id UUID NOT NULL,
    id UUID NOT NULL,
    amount BIGINT NOT NULL,
    state TEXT NOT NULL,
    reference UUID NOT NULL,
    service_id UUID,
    text TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_holds PRIMARY KEY (id),
    CONSTRAINT ck_holds_amount CHECK (amount >= 0),
    CONSTRAINT ck_holds_state CHECK (state IN ('open', 'captured', 'released')),
    CONSTRAINT ck_holds_closed CHECK ((state = 'open') = (closed_at IS NULL)),
    CONSTRAINT uq_holds_client_id_reference UNIQUE (client_id, reference)
);

CREATE INDEX ix_holds_open ON holds (created_at) WHERE state = 'open';

CREATE INDEX ix_holds_client_id ON holds (client_id);

CREATE TABLE entries (
    client_id UUID NOT NULL,
    id UUID NOT NULL,
    transaction_id UUID NOT NULL,
    number BIGINT NOT NULL,
    book TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount BIGINT NOT NULL,
    balance_after BIGINT,
    reference UUID,
    service_id UUID,
    text TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_entries PRIMARY KEY (id),
    CONSTRAINT ck_entries_book CHECK (book IN ('balance', 'cash', 'revenue')),
    CONSTRAINT ck_entries_after CHECK ((book = 'balance') = (balance_after IS NOT NULL)),
    CONSTRAINT uq_entries_client_id_book_number UNIQUE (client_id, book, number)
);

CREATE UNIQUE INDEX uq_entries_top_up ON entries (client_id, reference) WHERE kind = 'top_up' AND book = 'balance';

CREATE INDEX ix_entries_client_id ON entries (client_id);

CREATE INDEX ix_entries_transaction_id ON entries (transaction_id);

CREATE TABLE sellers (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    key BYTEA NOT NULL,
    key_hint TEXT NOT NULL,
    enabled BOOLEAN NOT NULL,
    installation_id UUID NOT NULL,
    currency TEXT NOT NULL,
    about JSONB NOT NULL,
    clock_offset_ms BIGINT NOT NULL,
    link TEXT NOT NULL,
    link_problem TEXT,
    link_since TIMESTAMP WITH TIME ZONE,
    failures INTEGER NOT NULL,
    retry_after TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sellers PRIMARY KEY (id),
    CONSTRAINT ck_sellers_link CHECK (link IN ('ok', 'broken')),
    CONSTRAINT uq_sellers_name UNIQUE (name),
    CONSTRAINT uq_sellers_installation_id UNIQUE (installation_id)
);

CREATE TABLE seller_feeds (
    seller_id UUID NOT NULL,
    cursor TEXT,
    number BIGINT NOT NULL,
    mode TEXT NOT NULL,
    read_at TIMESTAMP WITH TIME ZONE,
    event_at TIMESTAMP WITH TIME ZONE,
    latency_ms INTEGER,
    problem TEXT,
    CONSTRAINT pk_seller_feeds PRIMARY KEY (seller_id)
);

CREATE TABLE staff (
    id UUID NOT NULL,
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    deactivated_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_staff PRIMARY KEY (id),
    CONSTRAINT ck_staff_role CHECK (role IN ('owner', 'operator', 'finance', 'read_only')),
    CONSTRAINT uq_staff_email UNIQUE (email)
);

CREATE TABLE staff_lockouts (
    login_hash BYTEA NOT NULL,
    attempts INTEGER NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_staff_lockouts PRIMARY KEY (login_hash)
);

CREATE INDEX ix_staff_lockouts_last_at ON staff_lockouts (last_at);

CREATE TABLE audit_entries (
    id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id UUID,
    action TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    before JSONB,
    after JSONB,
    request_id UUID,
    traceparent TEXT NOT NULL,
    CONSTRAINT pk_audit_entries PRIMARY KEY (id),
    CONSTRAINT ck_audit_entries_actor_kind CHECK (actor_kind IN ('staff', 'cli', 'system')),
    CONSTRAINT ck_audit_entries_actor_id CHECK ((actor_kind = 'staff') = (actor_id IS NOT NULL))
);

CREATE INDEX ix_audit_entries_object ON audit_entries (object_type, object_id, id);

CREATE TABLE client_sessions (
    token_hash BYTEA NOT NULL,
    client_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_client_sessions PRIMARY KEY (token_hash),
    CONSTRAINT fk_client_sessions_client_id_clients FOREIGN KEY(client_id) REFERENCES clients (client_id)
);

CREATE INDEX ix_client_sessions_client_id ON client_sessions (client_id);

CREATE TABLE commands (
    id UUID NOT NULL,
    sequence BIGINT NOT NULL,
    seller_id UUID NOT NULL,
    client_id UUID NOT NULL,
    service_id UUID NOT NULL,
    service_ref UUID NOT NULL,
    kind TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    path TEXT NOT NULL,
    body BYTEA NOT NULL,
    summary JSONB NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    job_id BIGINT,
    hold_id UUID,
    deadline_at TIMESTAMP WITH TIME ZONE,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    operation_id UUID,
    operation_state TEXT,
    problem JSONB,
    traceparent TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    answered_at TIMESTAMP WITH TIME ZONE,
    settled_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_commands PRIMARY KEY (id),
    CONSTRAINT ck_commands_state CHECK (state IN ('queued', 'unanswered', 'accepted', 'cancelling', 'succeeded', 'failed', 'refused', 'superseded', 'cancelled')),
    CONSTRAINT ck_commands_settled CHECK ((state IN ('queued', 'unanswered', 'accepted', 'cancelling')) = (settled_at IS NULL)),
    CONSTRAINT fk_commands_seller_id_sellers FOREIGN KEY(seller_id) REFERENCES sellers (id)
);

CREATE INDEX ix_commands_service ON commands (service_id, id);

CREATE INDEX ix_commands_open ON commands (service_id) WHERE settled_at IS NULL;

CREATE INDEX ix_commands_seller_id ON commands (seller_id);

CREATE TABLE client_refs (
    client_id UUID NOT NULL,
    seller_id UUID NOT NULL,
    client_ref UUID NOT NULL,
    CONSTRAINT pk_client_refs PRIMARY KEY (client_id, seller_id),
    CONSTRAINT fk_client_refs_seller_id_sellers FOREIGN KEY(seller_id) REFERENCES sellers (id),
    CONSTRAINT uq_client_refs_client_ref UNIQUE (client_ref)
);

CREATE TABLE services (
    id UUID NOT NULL,
    client_id UUID NOT NULL,
    seller_id UUID NOT NULL,
    tariff_id UUID NOT NULL,
    tariff_name TEXT NOT NULL,
    service_ref UUID NOT NULL,
    client_ref UUID NOT NULL,
    name TEXT NOT NULL,
    hostname BYTEA NOT NULL,
    hostname_before BYTEA,
    os TEXT NOT NULL,
    period TEXT NOT NULL,
    price BIGINT NOT NULL,
    currency TEXT NOT NULL,
    upstream_max_price BIGINT NOT NULL,
    auto_renew BOOLEAN NOT NULL,
    wanted_life TEXT NOT NULL,
    wanted_power TEXT NOT NULL,
    terminated_by TEXT,
    terminate_when TEXT,
    order_problem TEXT,
    heard_revision BIGINT NOT NULL,
    heard_state TEXT,
    heard_power TEXT,
    heard_paid_until TIMESTAMP WITH TIME ZONE,
    heard JSONB,
    heard_at TIMESTAMP WITH TIME ZONE,
    parked TEXT,
    renewed_from TIMESTAMP WITH TIME ZONE,
    renewal_problem TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_services PRIMARY KEY (id),
    CONSTRAINT uq_services_seller_id_service_ref UNIQUE (seller_id, service_ref),
    CONSTRAINT ck_services_wanted_life CHECK (wanted_life IN ('active', 'terminated', 'cancelled')),
    CONSTRAINT ck_services_wanted_power CHECK (wanted_power IN ('running', 'stopped')),
    CONSTRAINT ck_services_terminated_by CHECK (terminated_by IN ('client', 'staff')),
    CONSTRAINT ck_services_terminate_when CHECK (terminate_when IN ('now', 'period_end')),
    CONSTRAINT ck_services_price CHECK (price >= 0 AND upstream_max_price >= 0),
    CONSTRAINT fk_services_seller_id_sellers FOREIGN KEY(seller_id) REFERENCES sellers (id)
);

CREATE INDEX ix_services_client ON services (client_id, id);

CREATE TABLE staff_sessions (
    token_hash BYTEA NOT NULL,
    staff_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_staff_sessions PRIMARY KEY (token_hash),
    CONSTRAINT fk_staff_sessions_staff_id_staff FOREIGN KEY(staff_id) REFERENCES staff (id)
);

CREATE INDEX ix_staff_sessions_staff_id ON staff_sessions (staff_id);

CREATE TABLE tariffs (
    id UUID NOT NULL,
    seller_id UUID NOT NULL,
    upstream_id UUID NOT NULL,
    upstream_version INTEGER NOT NULL,
    name TEXT NOT NULL,
    description TEXT,
    enabled BOOLEAN NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    markup_percent NUMERIC(7, 2) NOT NULL,
    currency TEXT NOT NULL,
    os_templates TEXT[] NOT NULL,
    upstream JSONB NOT NULL,
    imported_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_tariffs PRIMARY KEY (id),
    CONSTRAINT uq_tariffs_seller_id_upstream_id UNIQUE (seller_id, upstream_id),
    CONSTRAINT ck_tariffs_markup_percent CHECK (markup_percent >= 0),
    CONSTRAINT fk_tariffs_seller_id_sellers FOREIGN KEY(seller_id) REFERENCES sellers (id)
);

CREATE TABLE command_attempts (
    id UUID NOT NULL,
    command_id UUID NOT NULL,
    client_id UUID NOT NULL,
    number INTEGER NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    milliseconds INTEGER NOT NULL,
    status INTEGER,
    code TEXT,
    outcome TEXT NOT NULL,
    detail TEXT,
    request_id TEXT,
    CONSTRAINT pk_command_attempts PRIMARY KEY (id),
    CONSTRAINT fk_command_attempts_command_id_commands FOREIGN KEY(command_id) REFERENCES commands (id)
);

CREATE INDEX ix_command_attempts_command_id ON command_attempts (command_id);

CREATE TABLE orders (
    id UUID NOT NULL,
    client_id UUID NOT NULL,
    service_id UUID NOT NULL,
    command_id UUID NOT NULL,
    tariff_id UUID NOT NULL,
    period TEXT NOT NULL,
    total BIGINT NOT NULL,
    currency TEXT NOT NULL,
    request_key TEXT,
    fingerprint BYTEA,
    ordered_by TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_orders PRIMARY KEY (id),
    CONSTRAINT uq_orders_client_id_request_key UNIQUE (client_id, request_key),
    CONSTRAINT ck_orders_request_key CHECK ((request_key IS NULL) = (fingerprint IS NULL)),
    CONSTRAINT uq_orders_service_id UNIQUE (service_id),
    CONSTRAINT fk_orders_service_id_services FOREIGN KEY(service_id) REFERENCES services (id),
    CONSTRAINT fk_orders_command_id_commands FOREIGN KEY(command_id) REFERENCES commands (id),
    CONSTRAINT fk_orders_tariff_id_tariffs FOREIGN KEY(tariff_id) REFERENCES tariffs (id)
);

CREATE INDEX ix_orders_client_id ON orders (client_id);

CREATE TABLE wanted_suspensions (
    service_id UUID NOT NULL,
    cause TEXT NOT NULL,
    client_id UUID NOT NULL,
    reason TEXT NOT NULL,
    note TEXT,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_wanted_suspensions PRIMARY KEY (service_id, cause),
    CONSTRAINT ck_wanted_suspensions_cause CHECK (cause IN ('client', 'staff', 'client_debt')),
    CONSTRAINT fk_wanted_suspensions_service_id_services FOREIGN KEY(service_id) REFERENCES services (id)
);

CREATE TABLE tariff_prices (
    tariff_id UUID NOT NULL,
    period TEXT NOT NULL,
    price BIGINT NOT NULL,
    setup_fee BIGINT NOT NULL,
    upstream_price NUMERIC(20, 6) NOT NULL,
    upstream_setup_fee NUMERIC(20, 6) NOT NULL,
    CONSTRAINT pk_tariff_prices PRIMARY KEY (tariff_id, period),
    CONSTRAINT ck_tariff_prices_price CHECK (price >= 0 AND setup_fee >= 0),
    CONSTRAINT fk_tariff_prices_tariff_id_tariffs FOREIGN KEY(tariff_id) REFERENCES tariffs (id)
);

CREATE FUNCTION entries_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE touched uuid;
BEGIN
    -- OLD is null on INSERT, NEW on DELETE; an UPDATE may have moved an entry elsewhere.
    FOREACH touched IN ARRAY ARRAY[OLD.transaction_id, NEW.transaction_id] LOOP
        IF (SELECT sum(amount) FROM entries WHERE transaction_id = touched) <> 0 THEN
            RAISE EXCEPTION 'transaction % does not sum to zero', touched
                USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER zero_sum AFTER INSERT OR UPDATE OR DELETE ON entries
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION entries_zero_sum();

CREATE FUNCTION balances_floor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.balance - NEW.held + NEW.credit_limit < 0
        AND NEW.balance - NEW.held < OLD.balance - OLD.held
    THEN
        RAISE EXCEPTION 'balance below its limit' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER floor BEFORE UPDATE ON balances
FOR EACH ROW EXECUTE FUNCTION balances_floor();

GRANT SELECT, INSERT, UPDATE, DELETE ON audit_entries TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON balances TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON balances TO tandem_app;

ALTER TABLE balances ENABLE ROW LEVEL SECURITY;

ALTER TABLE balances FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON balances TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON balances TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON client_lockouts TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON client_lockouts TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON clients TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON clients TO tandem_app;

ALTER TABLE clients ENABLE ROW LEVEL SECURITY;

ALTER TABLE clients FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON clients TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON clients TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON entries TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON entries TO tandem_app;

ALTER TABLE entries ENABLE ROW LEVEL SECURITY;

ALTER TABLE entries FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON entries TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON entries TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON holds TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON holds TO tandem_app;

ALTER TABLE holds ENABLE ROW LEVEL SECURITY;

ALTER TABLE holds FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON holds TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON holds TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON sandbox_clock TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON sandbox_clock TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON seller_feeds TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON sellers TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON staff TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON staff_lockouts TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON client_refs TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON client_refs TO tandem_app;

ALTER TABLE client_refs ENABLE ROW LEVEL SECURITY;

ALTER TABLE client_refs FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON client_refs TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON client_refs TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON client_sessions TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON client_sessions TO tandem_app;

ALTER TABLE client_sessions ENABLE ROW LEVEL SECURITY;

ALTER TABLE client_sessions FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON client_sessions TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON client_sessions TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON commands TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON commands TO tandem_app;

ALTER TABLE commands ENABLE ROW LEVEL SECURITY;

ALTER TABLE commands FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON commands TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON commands TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON services TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON services TO tandem_app;

ALTER TABLE services ENABLE ROW LEVEL SECURITY;

ALTER TABLE services FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON services TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON services TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON staff_sessions TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON tariffs TO tandem_staff;

GRANT SELECT ON tariffs TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON command_attempts TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON command_attempts TO tandem_app;

ALTER TABLE command_attempts ENABLE ROW LEVEL SECURITY;

ALTER TABLE command_attempts FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON command_attempts TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON command_attempts TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO tandem_app;

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;

ALTER TABLE orders FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON orders TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON orders TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON tariff_prices TO tandem_staff;

GRANT SELECT ON tariff_prices TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON wanted_suspensions TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON wanted_suspensions TO tandem_app;

ALTER TABLE wanted_suspensions ENABLE ROW LEVEL SECURITY;

ALTER TABLE wanted_suspensions FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON wanted_suspensions TO tandem_app USING (client_id = nullif(current_setting('tandem.client', true), '')::uuid) WITH CHECK (client_id = nullif(current_setting('tandem.client', true), '')::uuid);

CREATE POLICY everything ON wanted_suspensions TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

REVOKE UPDATE, DELETE ON entries FROM tandem_app, tandem_staff;

REVOKE ALL ON audit_entries FROM tandem_staff;

GRANT SELECT, INSERT ON audit_entries TO tandem_staff;

CREATE FUNCTION client_login(wanted_email text) RETURNS TABLE (id uuid, hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT client_id, password_hash FROM clients WHERE email = wanted_email AND state = 'active'
$$;

CREATE FUNCTION client_session(wanted_hash bytea, at timestamptz) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT client_id FROM client_sessions JOIN clients USING (client_id)
    WHERE token_hash = wanted_hash AND expires_at > at AND state = 'active'
$$;

REVOKE ALL ON FUNCTION client_login(text), client_session(bytea, timestamptz) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION client_login(text), client_session(bytea, timestamptz) TO tandem_app;

GRANT SELECT (id, enabled, installation_id, clock_offset_ms) ON sellers TO tandem_app;

GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO tandem_app, tandem_staff;

GRANT SELECT ON alembic_version TO tandem_app, tandem_staff;
