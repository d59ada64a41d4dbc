-- Signed hints: where an installation wants them, and what became of each.

CREATE TABLE webhook_endpoints (
    id UUID NOT NULL,
    partner_id UUID NOT NULL,
    installation_id UUID NOT NULL,
    url TEXT NOT NULL,
    secret BYTEA NOT NULL,
    old_secret BYTEA,
    old_secret_until TIMESTAMP WITH TIME ZONE,
    state TEXT NOT NULL,
    problem TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_webhook_endpoints PRIMARY KEY (id),
    CONSTRAINT ck_webhook_endpoints_state CHECK (state IN ('active', 'disabled')),
    CONSTRAINT uq_webhook_endpoints_partner_id_id UNIQUE (partner_id, id),
    CONSTRAINT uq_webhook_endpoints_partner_id_installation_id_url UNIQUE (partner_id, installation_id, url),
    CONSTRAINT fk_webhook_endpoints_partner_id_installation_id_installations FOREIGN KEY(partner_id, installation_id) REFERENCES installations (partner_id, id)
);

CREATE TABLE webhook_deliveries (
    id UUID NOT NULL,
    partner_id UUID NOT NULL,
    endpoint_id UUID NOT NULL,
    head BIGINT NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    status INTEGER,
    problem TEXT,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    attempted_at TIMESTAMP WITH TIME ZONE,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id),
    CONSTRAINT ck_webhook_deliveries_state CHECK (state IN ('pending', 'delivered', 'failed')),
    CONSTRAINT fk_webhook_deliveries_partner_id_endpoint_id_webhook_endpoints FOREIGN KEY(partner_id, endpoint_id) REFERENCES webhook_endpoints (partner_id, id) ON DELETE CASCADE
);

CREATE INDEX ix_webhook_deliveries_created_at ON webhook_deliveries (created_at);

CREATE INDEX ix_webhook_deliveries_endpoint ON webhook_deliveries (endpoint_id, id);

CREATE UNIQUE INDEX uq_webhook_deliveries_pending ON webhook_deliveries (endpoint_id) WHERE state = 'pending';

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_endpoints TO tandem_app, tandem_staff;

ALTER TABLE webhook_endpoints ENABLE ROW LEVEL SECURITY;

ALTER TABLE webhook_endpoints FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON webhook_endpoints TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON webhook_endpoints TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

GRANT SELECT, INSERT, UPDATE, DELETE ON webhook_deliveries TO tandem_app, tandem_staff;

ALTER TABLE webhook_deliveries ENABLE ROW LEVEL SECURITY;

ALTER TABLE webhook_deliveries FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON webhook_deliveries TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON webhook_deliveries TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);
