-- What was compared and what differs; a mark on VMs.

CREATE TABLE reconciliation_runs (
    id UUID NOT NULL,
    state TEXT NOT NULL,
    asked_by TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    finished_at TIMESTAMP WITH TIME ZONE,
    counts JSONB NOT NULL,
    problem TEXT,
    CONSTRAINT pk_reconciliation_runs PRIMARY KEY (id),
    CONSTRAINT ck_reconciliation_runs_state CHECK (state IN ('asked', 'running', 'done', 'incomplete'))
);

CREATE TABLE reconciliation_differences (
    id UUID NOT NULL,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    scope TEXT NOT NULL,
    refs JSONB NOT NULL,
    evidence JSONB NOT NULL,
    repair TEXT NOT NULL,
    safe BOOLEAN NOT NULL,
    ways TEXT[] NOT NULL,
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_run_id UUID NOT NULL,
    tried_at TIMESTAMP WITH TIME ZONE,
    decision TEXT,
    decided_by TEXT,
    decided_at TIMESTAMP WITH TIME ZONE,
    reason TEXT,
    gone_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_reconciliation_differences PRIMARY KEY (id),
    CONSTRAINT ck_reconciliation_differences_decision CHECK (decision IN ('adopt', 'undo', 'ignore')),
    CONSTRAINT ck_reconciliation_differences_decided CHECK ((decision IS NULL) = (decided_at IS NULL) AND (decision IS NULL) = (decided_by IS NULL))
);

CREATE UNIQUE INDEX uq_reconciliation_differences_open ON reconciliation_differences (kind, key) WHERE gone_at IS NULL;

GRANT SELECT, INSERT, UPDATE, DELETE ON reconciliation_runs, reconciliation_differences TO tandem_staff;

ALTER TABLE simulated_vms ADD COLUMN mark TEXT;
