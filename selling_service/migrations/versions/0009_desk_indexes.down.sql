DROP INDEX ix_audit_entries_trace;

DROP INDEX ix_events_trace;

DROP INDEX ix_received_commands_trace;

DROP INDEX ix_operations_trace;

DROP INDEX ix_operations_desk;

DROP INDEX ix_services_parked;
