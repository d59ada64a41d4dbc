-- The first tables of the selling service: tables and indexes, then what the database guards
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

CREATE UNIQUE INDEX uq_jobs_running_lane ON jobs (lane) WHERE state = 'running';

CREATE INDEX ix_jobs_lane ON jobs (lane, priority, id);

CREATE INDEX ix_jobs_due ON jobs (run_at, id) WHERE state = 'ready';

CREATE INDEX ix_jobs_claimed ON jobs (lease_until) WHERE state = 'running';

CREATE INDEX ix_jobs_urgent ON jobs (priority, run_at, id) WHERE state = 'ready' AND priority < 100;

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

CREATE TABLE platforms (
    name TEXT NOT NULL,
    vms INTEGER NOT NULL,
    vms_used INTEGER NOT NULL,
    vcpu INTEGER NOT NULL,
    vcpu_used INTEGER NOT NULL,
    ram_mib BIGINT NOT NULL,
    ram_mib_used BIGINT NOT NULL,
    disk_gib BIGINT NOT NULL,
    disk_gib_used BIGINT NOT NULL,
    refreshed_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_platforms PRIMARY KEY (name),
    CONSTRAINT ck_platforms_used CHECK (vms_used >= 0 AND vcpu_used >= 0),
    CONSTRAINT ck_platforms_used_sizes CHECK (ram_mib_used >= 0 AND disk_gib_used >= 0)
);

CREATE TABLE data_centers (
    id UUID NOT NULL,
    code TEXT NOT NULL,
    title TEXT NOT NULL,
    platform TEXT NOT NULL,
    open BOOLEAN NOT NULL,
    CONSTRAINT pk_data_centers PRIMARY KEY (id),
    CONSTRAINT uq_data_centers_code UNIQUE (code),
    CONSTRAINT fk_data_centers_platform_platforms FOREIGN KEY(platform) REFERENCES platforms (name)
);

CREATE TABLE os_templates (
    code TEXT NOT NULL,
    title TEXT NOT NULL,
    image TEXT NOT NULL,
    CONSTRAINT pk_os_templates PRIMARY KEY (code)
);

CREATE TABLE partners (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_partners PRIMARY KEY (id),
    CONSTRAINT ck_partners_state CHECK (state IN ('active', 'no_new_orders', 'blocked')),
    CONSTRAINT uq_partners_name UNIQUE (name)
);

CREATE TABLE simulated_platforms (
    name TEXT NOT NULL,
    vms INTEGER NOT NULL,
    vms_used INTEGER DEFAULT '0' NOT NULL,
    vcpu INTEGER NOT NULL,
    vcpu_used INTEGER DEFAULT '0' NOT NULL,
    ram_mib BIGINT NOT NULL,
    ram_mib_used BIGINT DEFAULT '0' NOT NULL,
    disk_gib BIGINT NOT NULL,
    disk_gib_used BIGINT DEFAULT '0' NOT NULL,
    vms_per_user INTEGER,
    images TEXT[],
    delay_ms INTEGER NOT NULL,
    faults JSONB NOT NULL,
    addresses_given BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_simulated_platforms PRIMARY KEY (name),
    CONSTRAINT ck_simulated_platforms_used CHECK (vms_used >= 0 AND vcpu_used >= 0 AND ram_mib_used >= 0 AND disk_gib_used >= 0),
    CONSTRAINT ck_simulated_platforms_delay CHECK (delay_ms >= 0)
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

CREATE TABLE tariffs (
    id UUID NOT NULL,
    code TEXT NOT NULL,
    title TEXT NOT NULL,
    data_center_id UUID NOT NULL,
    withdrawn BOOLEAN NOT NULL,
    stock INTEGER,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_tariffs PRIMARY KEY (id),
    CONSTRAINT ck_tariffs_stock CHECK (stock >= 0),
    CONSTRAINT uq_tariffs_code UNIQUE (code),
    CONSTRAINT fk_tariffs_data_center_id_data_centers FOREIGN KEY(data_center_id) REFERENCES data_centers (id)
);

CREATE TABLE feeds (
    partner_id UUID NOT NULL,
    head BIGINT NOT NULL,
    CONSTRAINT pk_feeds PRIMARY KEY (partner_id),
    CONSTRAINT fk_feeds_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id)
);

CREATE TABLE events (
    partner_id UUID NOT NULL,
    number BIGINT NOT NULL,
    id UUID NOT NULL,
    type TEXT NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    installation_id UUID,
    client_ref UUID,
    service_ref UUID,
    operation_id UUID,
    command_id UUID,
    traceparent TEXT,
    body JSONB NOT NULL,
    CONSTRAINT pk_events PRIMARY KEY (partner_id, number),
    CONSTRAINT fk_events_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id)
);

CREATE INDEX ix_events_at ON events (at);

CREATE TABLE balances (
    partner_id UUID NOT NULL,
    currency TEXT NOT NULL,
    balance BIGINT DEFAULT '0' NOT NULL,
    held BIGINT DEFAULT '0' NOT NULL,
    credit_limit BIGINT DEFAULT '0' NOT NULL,
    postings BIGINT DEFAULT '0' NOT NULL,
    CONSTRAINT pk_balances PRIMARY KEY (partner_id),
    CONSTRAINT ck_balances_held CHECK (held >= 0),
    CONSTRAINT ck_balances_credit_limit CHECK (credit_limit BETWEEN 0 AND 4503599627370495),
    CONSTRAINT ck_balances_balance CHECK (balance BETWEEN -4503599627370495 AND 4503599627370495),
    CONSTRAINT fk_balances_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id)
);

CREATE TABLE holds (
    partner_id UUID NOT NULL,
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
    CONSTRAINT uq_holds_partner_id_reference UNIQUE (partner_id, reference),
    CONSTRAINT fk_holds_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id)
);

CREATE UNIQUE INDEX uq_holds_partner_id_id ON holds (partner_id, id);

CREATE INDEX ix_holds_partner_id ON holds (partner_id);

CREATE INDEX ix_holds_open ON holds (created_at) WHERE state = 'open';

CREATE TABLE entries (
    partner_id UUID NOT NULL,
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
    CONSTRAINT uq_entries_partner_id_book_number UNIQUE (partner_id, book, number),
    CONSTRAINT fk_entries_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id)
);

CREATE UNIQUE INDEX uq_entries_by_hand ON entries (partner_id, reference) WHERE book = 'balance' AND kind IN ('top_up', 'pay_out', 'correction');

CREATE INDEX ix_entries_transaction_id ON entries (transaction_id);

CREATE INDEX ix_entries_partner_id ON entries (partner_id);

CREATE TABLE installations (
    id UUID NOT NULL,
    partner_id UUID NOT NULL,
    name TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_installations PRIMARY KEY (id),
    CONSTRAINT uq_installations_partner_id_name UNIQUE (partner_id, name),
    CONSTRAINT uq_installations_partner_id_id UNIQUE (partner_id, id),
    CONSTRAINT fk_installations_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id)
);

CREATE TABLE simulated_users (
    platform TEXT NOT NULL,
    owner_id UUID NOT NULL,
    CONSTRAINT pk_simulated_users PRIMARY KEY (platform, owner_id),
    CONSTRAINT fk_simulated_users_platform_simulated_platforms FOREIGN KEY(platform) REFERENCES simulated_platforms (name)
);

CREATE TABLE simulated_vms (
    platform TEXT NOT NULL,
    vm_id UUID NOT NULL,
    owner_id UUID NOT NULL,
    fence BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    built BOOLEAN NOT NULL,
    power TEXT NOT NULL,
    wanted TEXT NOT NULL,
    locked BOOLEAN NOT NULL,
    vcpu INTEGER NOT NULL,
    ram_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL,
    ipv4 INTEGER NOT NULL,
    image TEXT NOT NULL,
    hostname TEXT NOT NULL,
    seen_hostname TEXT,
    boots INTEGER NOT NULL,
    addresses TEXT[] NOT NULL,
    CONSTRAINT pk_simulated_vms PRIMARY KEY (platform, vm_id),
    CONSTRAINT ck_simulated_vms_power CHECK (power IN ('running', 'stopped')),
    CONSTRAINT ck_simulated_vms_wanted CHECK (wanted IN ('running', 'stopped')),
    CONSTRAINT ck_simulated_vms_locked_is_stopped CHECK (NOT ((locked OR deleted) AND power = 'running')),
    CONSTRAINT fk_simulated_vms_platform_simulated_platforms FOREIGN KEY(platform) REFERENCES simulated_platforms (name)
);

CREATE INDEX ix_simulated_vms_owner ON simulated_vms (platform, owner_id);

CREATE TABLE received_commands (
    partner_id UUID NOT NULL,
    command_id UUID NOT NULL,
    fingerprint BYTEA,
    state TEXT NOT NULL,
    operation_id UUID,
    problem JSON,
    answer JSON,
    received_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_received_commands PRIMARY KEY (partner_id, command_id),
    CONSTRAINT fk_received_commands_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id)
);

CREATE TABLE staff_sessions (
    token_hash BYTEA NOT NULL,
    staff_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_staff_sessions PRIMARY KEY (token_hash),
    CONSTRAINT fk_staff_sessions_staff_id_staff FOREIGN KEY(staff_id) REFERENCES staff (id)
);

CREATE INDEX ix_staff_sessions_staff_id ON staff_sessions (staff_id);

CREATE TABLE accounts (
    id UUID NOT NULL,
    partner_id UUID NOT NULL,
    installation_id UUID NOT NULL,
    client_ref UUID NOT NULL,
    closed_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_accounts PRIMARY KEY (id),
    CONSTRAINT uq_accounts_partner_id_client_ref UNIQUE (partner_id, client_ref),
    CONSTRAINT uq_accounts_partner_id_id UNIQUE (partner_id, id),
    CONSTRAINT fk_accounts_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id),
    CONSTRAINT fk_accounts_partner_id_installation_id_installations FOREIGN KEY(partner_id, installation_id) REFERENCES installations (partner_id, id)
);

CREATE TABLE tariff_versions (
    id UUID NOT NULL,
    tariff_id UUID NOT NULL,
    number INTEGER NOT NULL,
    effective_from TIMESTAMP WITH TIME ZONE NOT NULL,
    vcpu INTEGER NOT NULL,
    ram_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL,
    ipv4 INTEGER NOT NULL,
    os_templates TEXT[] NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_tariff_versions PRIMARY KEY (id),
    CONSTRAINT uq_tariff_versions_tariff_id_number UNIQUE (tariff_id, number),
    CONSTRAINT ck_tariff_versions_size CHECK (vcpu > 0 AND ram_mib > 0 AND disk_gib > 0 AND ipv4 >= 0),
    CONSTRAINT fk_tariff_versions_tariff_id_tariffs FOREIGN KEY(tariff_id) REFERENCES tariffs (id)
);

CREATE TABLE offers (
    partner_id UUID NOT NULL,
    tariff_id UUID NOT NULL,
    discount_percent NUMERIC(5, 2) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_offers PRIMARY KEY (partner_id, tariff_id),
    CONSTRAINT ck_offers_discount_percent CHECK (discount_percent BETWEEN 0 AND 100),
    CONSTRAINT fk_offers_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id),
    CONSTRAINT fk_offers_tariff_id_tariffs FOREIGN KEY(tariff_id) REFERENCES tariffs (id)
);

CREATE TABLE partner_keys (
    id UUID NOT NULL,
    partner_id UUID NOT NULL,
    installation_id UUID NOT NULL,
    name TEXT NOT NULL,
    secret_hash BYTEA NOT NULL,
    scopes TEXT[] NOT NULL,
    allowed_networks TEXT[] NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_partner_keys PRIMARY KEY (id),
    CONSTRAINT fk_partner_keys_partner_id_installation_id_installations FOREIGN KEY(partner_id, installation_id) REFERENCES installations (partner_id, id),
    CONSTRAINT fk_partner_keys_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id)
);

CREATE INDEX ix_partner_keys_partner_id ON partner_keys (partner_id);

CREATE TABLE platform_users (
    account_id UUID NOT NULL,
    platform TEXT NOT NULL,
    partner_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_platform_users PRIMARY KEY (account_id, platform),
    CONSTRAINT fk_platform_users_partner_id_account_id_accounts FOREIGN KEY(partner_id, account_id) REFERENCES accounts (partner_id, id) ON DELETE CASCADE
);

CREATE TABLE tariff_prices (
    version_id UUID NOT NULL,
    period TEXT NOT NULL,
    price NUMERIC(20, 6) NOT NULL,
    setup_fee NUMERIC(20, 6) NOT NULL,
    CONSTRAINT pk_tariff_prices PRIMARY KEY (version_id, period),
    CONSTRAINT ck_tariff_prices_price CHECK (price >= 0 AND setup_fee >= 0),
    CONSTRAINT fk_tariff_prices_version_id_tariff_versions FOREIGN KEY(version_id) REFERENCES tariff_versions (id)
);

CREATE TABLE services (
    id UUID NOT NULL,
    partner_id UUID NOT NULL,
    installation_id UUID NOT NULL,
    account_id UUID NOT NULL,
    service_ref UUID NOT NULL,
    client_ref UUID NOT NULL,
    tariff_id UUID NOT NULL,
    tariff_version_id UUID NOT NULL,
    tariff_version INTEGER NOT NULL,
    data_center_id UUID NOT NULL,
    period TEXT NOT NULL,
    state TEXT NOT NULL,
    power TEXT NOT NULL,
    wanted_power TEXT NOT NULL,
    revision BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    holds_room BOOLEAN NOT NULL,
    vcpu INTEGER NOT NULL,
    ram_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL,
    ipv4 INTEGER NOT NULL,
    addresses TEXT[] NOT NULL,
    os TEXT NOT NULL,
    image TEXT NOT NULL,
    hostname BYTEA NOT NULL,
    content BYTEA,
    order_fingerprint BYTEA NOT NULL,
    terms INTEGER NOT NULL,
    terms_before INTEGER NOT NULL,
    counted_from TIMESTAMP WITH TIME ZONE,
    activated_at TIMESTAMP WITH TIME ZONE,
    paid_until TIMESTAMP WITH TIME ZONE,
    terminate_at TIMESTAMP WITH TIME ZONE,
    terminated_at TIMESTAMP WITH TIME ZONE,
    terminated_by TEXT,
    delete_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_services PRIMARY KEY (id),
    CONSTRAINT ck_services_state CHECK (state IN ('ordered', 'provisioning', 'active', 'suspended', 'terminating', 'terminated', 'deleted', 'failed')),
    CONSTRAINT ck_services_power CHECK (power IN ('running', 'stopped')),
    CONSTRAINT ck_services_wanted_power CHECK (wanted_power IN ('running', 'stopped')),
    CONSTRAINT ck_services_active_is_paid CHECK (state IN ('ordered', 'provisioning', 'failed', 'terminating', 'terminated', 'deleted') OR (activated_at IS NOT NULL AND paid_until IS NOT NULL)),
    CONSTRAINT ck_services_terminated CHECK ((state = 'terminated') <= (delete_at IS NOT NULL)),
    CONSTRAINT uq_services_partner_id_service_ref UNIQUE (partner_id, service_ref),
    CONSTRAINT uq_services_partner_id_id UNIQUE (partner_id, id),
    CONSTRAINT fk_services_partner_id_account_id_accounts FOREIGN KEY(partner_id, account_id) REFERENCES accounts (partner_id, id),
    CONSTRAINT fk_services_partner_id_partners FOREIGN KEY(partner_id) REFERENCES partners (id),
    CONSTRAINT fk_services_partner_id_installation_id_installations FOREIGN KEY(partner_id, installation_id) REFERENCES installations (partner_id, id),
    CONSTRAINT fk_services_tariff_id_tariffs FOREIGN KEY(tariff_id) REFERENCES tariffs (id),
    CONSTRAINT fk_services_tariff_version_id_tariff_versions FOREIGN KEY(tariff_version_id) REFERENCES tariff_versions (id),
    CONSTRAINT fk_services_data_center_id_data_centers FOREIGN KEY(data_center_id) REFERENCES data_centers (id)
);

CREATE INDEX ix_services_account ON services (account_id);

CREATE TABLE suspensions (
    service_id UUID NOT NULL,
    actor TEXT NOT NULL,
    partner_id UUID NOT NULL,
    reason TEXT NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_suspensions PRIMARY KEY (service_id, actor),
    CONSTRAINT fk_suspensions_partner_id_service_id_services FOREIGN KEY(partner_id, service_id) REFERENCES services (partner_id, id)
);

CREATE TABLE terms (
    service_id UUID NOT NULL,
    number INTEGER NOT NULL,
    partner_id UUID NOT NULL,
    starts_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ends_at TIMESTAMP WITH TIME ZONE NOT NULL,
    amount BIGINT NOT NULL,
    CONSTRAINT pk_terms PRIMARY KEY (service_id, number),
    CONSTRAINT uq_terms_service_id_starts_at UNIQUE (service_id, starts_at),
    CONSTRAINT ck_terms_order CHECK (ends_at > starts_at),
    CONSTRAINT fk_terms_partner_id_service_id_services FOREIGN KEY(partner_id, service_id) REFERENCES services (partner_id, id)
);

CREATE TABLE operations (
    id UUID NOT NULL,
    partner_id UUID NOT NULL,
    service_id UUID NOT NULL,
    service_ref UUID NOT NULL,
    command_id UUID,
    job_id BIGINT,
    hold_id UUID,
    kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    state TEXT NOT NULL,
    progress INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    parameters JSONB NOT NULL,
    content BYTEA,
    result JSONB,
    problem JSONB,
    request_id UUID,
    traceparent TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_operations PRIMARY KEY (id),
    CONSTRAINT ck_operations_state CHECK (state IN ('queued', 'running', 'waiting', 'succeeded', 'failed', 'superseded', 'cancelled')),
    CONSTRAINT ck_operations_finished CHECK ((state IN ('succeeded', 'failed', 'superseded', 'cancelled')) = (finished_at IS NOT NULL)),
    CONSTRAINT uq_operations_partner_id_id UNIQUE (partner_id, id),
    CONSTRAINT fk_operations_partner_id_service_id_services FOREIGN KEY(partner_id, service_id) REFERENCES services (partner_id, id),
    CONSTRAINT fk_operations_partner_id_hold_id_holds FOREIGN KEY(partner_id, hold_id) REFERENCES holds (partner_id, id)
);

CREATE INDEX ix_operations_service ON operations (service_id, id);

CREATE INDEX ix_operations_command ON operations (partner_id, command_id);

CREATE INDEX ix_operations_open ON operations (service_id) WHERE finished_at IS NULL;

ALTER TABLE holds ADD CONSTRAINT fk_holds_partner_id_service_id_services FOREIGN KEY(partner_id, service_id) REFERENCES services (partner_id, id);

ALTER TABLE entries ADD CONSTRAINT fk_entries_partner_id_service_id_services FOREIGN KEY(partner_id, service_id) REFERENCES services (partner_id, id);

ALTER TABLE received_commands ADD CONSTRAINT fk_received_commands_partner_id_operation_id_operations FOREIGN KEY(partner_id, operation_id) REFERENCES operations (partner_id, id);

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

GRANT SELECT, INSERT, UPDATE, DELETE ON data_centers TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON data_centers TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON jobs TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON os_templates TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON os_templates TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON partners TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON partners TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON platforms TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON platforms TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON sandbox_clock TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON sandbox_clock TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON simulated_platforms TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON staff TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON staff_lockouts TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON workers TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON balances TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON balances TO tandem_app;

ALTER TABLE balances ENABLE ROW LEVEL SECURITY;

ALTER TABLE balances FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON balances TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON balances TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON entries TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON entries TO tandem_app;

ALTER TABLE entries ENABLE ROW LEVEL SECURITY;

ALTER TABLE entries FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON entries TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON entries TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON events TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON events TO tandem_app;

ALTER TABLE events ENABLE ROW LEVEL SECURITY;

ALTER TABLE events FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON events TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON events TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON feeds TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON feeds TO tandem_app;

ALTER TABLE feeds ENABLE ROW LEVEL SECURITY;

ALTER TABLE feeds FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON feeds TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON feeds TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON holds TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON holds TO tandem_app;

ALTER TABLE holds ENABLE ROW LEVEL SECURITY;

ALTER TABLE holds FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON holds TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON holds TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON installations TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON installations TO tandem_app;

ALTER TABLE installations ENABLE ROW LEVEL SECURITY;

ALTER TABLE installations FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON installations TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON installations TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON received_commands TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON received_commands TO tandem_app;

ALTER TABLE received_commands ENABLE ROW LEVEL SECURITY;

ALTER TABLE received_commands FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON received_commands TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON received_commands TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON simulated_users TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON simulated_vms TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON staff_sessions TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON tariffs TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON tariffs TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON accounts TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON accounts TO tandem_app;

ALTER TABLE accounts ENABLE ROW LEVEL SECURITY;

ALTER TABLE accounts FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON accounts TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON accounts TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON offers TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON offers TO tandem_app;

ALTER TABLE offers ENABLE ROW LEVEL SECURITY;

ALTER TABLE offers FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON offers TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON offers TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON partner_keys TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON partner_keys TO tandem_app;

ALTER TABLE partner_keys ENABLE ROW LEVEL SECURITY;

ALTER TABLE partner_keys FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON partner_keys TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON partner_keys TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON tariff_versions TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON tariff_versions TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON platform_users TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON platform_users TO tandem_app;

ALTER TABLE platform_users ENABLE ROW LEVEL SECURITY;

ALTER TABLE platform_users FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON platform_users TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON platform_users TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON services TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON services TO tandem_app;

ALTER TABLE services ENABLE ROW LEVEL SECURITY;

ALTER TABLE services FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON services TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON services TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON tariff_prices TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON tariff_prices TO tandem_app;

GRANT SELECT, INSERT, UPDATE, DELETE ON operations TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON operations TO tandem_app;

ALTER TABLE operations ENABLE ROW LEVEL SECURITY;

ALTER TABLE operations FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON operations TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON operations TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON suspensions TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON suspensions TO tandem_app;

ALTER TABLE suspensions ENABLE ROW LEVEL SECURITY;

ALTER TABLE suspensions FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON suspensions TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON suspensions TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON terms TO tandem_staff;

GRANT SELECT, INSERT, UPDATE, DELETE ON terms TO tandem_app;

ALTER TABLE terms ENABLE ROW LEVEL SECURITY;

ALTER TABLE terms FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON terms TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON terms TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

REVOKE UPDATE, DELETE ON entries FROM tandem_app, tandem_staff;

REVOKE ALL ON audit_entries FROM tandem_staff;

GRANT SELECT, INSERT ON audit_entries TO tandem_staff;

ALTER TABLE partners ENABLE ROW LEVEL SECURITY;

ALTER TABLE partners FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON partners TO tandem_app USING (id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON partners TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

REVOKE ALL ON partners, installations, partner_keys FROM tandem_app;

GRANT SELECT ON partners, installations TO tandem_app;

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

GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO tandem_app, tandem_staff;

GRANT SELECT ON alembic_version TO tandem_app, tandem_staff;
