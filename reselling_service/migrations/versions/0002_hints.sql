-- Hints from sellers: our endpoint at the seller, and what it signs with.

ALTER TABLE sellers ADD COLUMN hook_id UUID;

ALTER TABLE sellers ADD COLUMN hook_secret BYTEA;
