-- Forgets which host names are gone; they don't come back.

DROP INDEX ix_services_to_forget;

ALTER TABLE services DROP COLUMN forgotten_at;
