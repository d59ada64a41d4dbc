DROP INDEX ix_entries_service;

DROP INDEX ix_services_created;

ALTER TABLE simulated_vms DROP COLUMN mark;

DROP TABLE reconciliation_differences;

DROP TABLE reconciliation_runs;
