-- Takes second factors and the names of sessions away again.

DROP FUNCTION client_session_seen(bytea, timestamptz, timestamptz);

DROP TABLE staff_recovery_codes;

DROP TABLE staff_factors;

ALTER TABLE staff_lockouts DROP COLUMN succeeded_at;

ALTER TABLE client_lockouts DROP COLUMN succeeded_at;

DROP INDEX ix_client_sessions_expires_at;

ALTER TABLE client_sessions DROP COLUMN agent, DROP COLUMN address, DROP COLUMN seen_at, DROP COLUMN id;

DROP INDEX ix_staff_sessions_expires_at;

ALTER TABLE staff_sessions DROP COLUMN agent, DROP COLUMN address, DROP COLUMN seen_at, DROP COLUMN id;
