-- The desk: attempts with the calls to the platform, what people noted, what is parked, and the
-- indexes by which a trail is found again.

CREATE TABLE operation_attempts (
    id UUID NOT NULL,
    partner_id UUID NOT NULL,
    service_id UUID NOT NULL,
    operation_id UUID,
    job_id BIGINT NOT NULL,
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    trace_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    code TEXT,
    problem TEXT,
    calls JSONB NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_operation_attempts PRIMARY KEY (id),
    CONSTRAINT ck_operation_attempts_outcome CHECK (outcome IN ('running', 'done', 'waiting', 'failed', 'lost')),
    CONSTRAINT ck_operation_attempts_ended CHECK ((outcome = 'running') = (ended_at IS NULL)),
    CONSTRAINT fk_operation_attempts_partner_id_service_id_services FOREIGN KEY(partner_id, service_id) REFERENCES services (partner_id, id),
    CONSTRAINT fk_operation_attempts_partner_id_operation_id_operations FOREIGN KEY(partner_id, operation_id) REFERENCES operations (partner_id, id)
);

CREATE INDEX ix_operation_attempts_operation ON operation_attempts (operation_id, id);

CREATE INDEX ix_operation_attempts_trace ON operation_attempts (trace_id);

CREATE INDEX ix_operation_attempts_started_at ON operation_attempts (started_at);

CREATE INDEX ix_operation_attempts_open ON operation_attempts (job_id) WHERE ended_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON operation_attempts TO tandem_app, tandem_staff;

ALTER TABLE operation_attempts ENABLE ROW LEVEL SECURITY;

ALTER TABLE operation_attempts FORCE ROW LEVEL SECURITY;

CREATE POLICY tenant ON operation_attempts TO tandem_app USING (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid) WITH CHECK (partner_id = nullif(current_setting('tandem.partner', true), '')::uuid);

CREATE POLICY everything ON operation_attempts TO tandem_owner, tandem_staff USING (true) WITH CHECK (true);

CREATE TABLE desk_cases (
    kind TEXT NOT NULL,
    object_id UUID NOT NULL,
    holder_id UUID,
    note TEXT,
    handed_at TIMESTAMP WITH TIME ZONE,
    dismissed_at TIMESTAMP WITH TIME ZONE,
    settled TEXT,
    CONSTRAINT pk_desk_cases PRIMARY KEY (kind, object_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON desk_cases TO tandem_staff;

ALTER TABLE balances ADD COLUMN parked_code TEXT, ADD COLUMN parked_detail TEXT, ADD COLUMN parked_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE services ADD COLUMN parked_code TEXT, ADD COLUMN parked_detail TEXT, ADD COLUMN parked_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE received_commands ADD COLUMN traceparent TEXT;
