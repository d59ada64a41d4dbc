-- Takes the desk away again; what was noted is forgotten, and what was parked goes on.

DROP INDEX ix_audit_entries_trace, ix_events_trace, ix_received_commands_trace, ix_operations_trace;

DROP INDEX ix_operations_desk, ix_services_parked;

ALTER TABLE received_commands DROP COLUMN traceparent;

ALTER TABLE services DROP COLUMN parked_code, DROP COLUMN parked_detail, DROP COLUMN parked_at;

ALTER TABLE balances DROP COLUMN parked_code, DROP COLUMN parked_detail, DROP COLUMN parked_at;

DROP TABLE desk_cases, operation_attempts;
