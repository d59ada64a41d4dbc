-- Forgets who was forgotten; the names don't come back.

DROP FUNCTION erase_entry_texts(uuid);

DROP INDEX ix_services_to_forget;

ALTER TABLE services DROP COLUMN forgotten_at;

ALTER TABLE clients DROP COLUMN erased_at;
