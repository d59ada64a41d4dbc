DROP INDEX ix_audit_entries_trace;

DROP INDEX ix_command_attempts_at;

DROP INDEX ix_commands_trace;

DROP INDEX ix_commands_desk;

DROP INDEX ix_services_parked;
