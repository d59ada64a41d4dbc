-- The desk: what people noted, what is parked, and the indexes by which a trail is found again.

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

CREATE INDEX ix_services_parked ON services (id) WHERE parked_at IS NOT NULL OR parked IS NOT NULL;

CREATE INDEX ix_commands_desk ON commands (id) WHERE settled_at IS NULL OR state IN ('failed', 'refused');

CREATE INDEX ix_commands_trace ON commands (substr(traceparent, 4, 32));

CREATE INDEX ix_command_attempts_at ON command_attempts (at);

CREATE INDEX ix_audit_entries_trace ON audit_entries (substr(traceparent, 4, 32));
