-- Takes the desk away again; what was noted is forgotten, and what was parked goes on.

ALTER TABLE received_commands DROP COLUMN traceparent;

ALTER TABLE services DROP COLUMN parked_code, DROP COLUMN parked_detail, DROP COLUMN parked_at;

ALTER TABLE balances DROP COLUMN parked_code, DROP COLUMN parked_detail, DROP COLUMN parked_at;

DROP TABLE desk_cases, operation_attempts;
