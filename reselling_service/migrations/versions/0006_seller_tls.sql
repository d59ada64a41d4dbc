-- Whom to believe to be a seller, and which certificate is shown to it.

ALTER TABLE sellers ADD COLUMN tls_authority TEXT;

ALTER TABLE sellers ADD COLUMN tls_pin TEXT;

ALTER TABLE sellers ADD COLUMN tls_certificate TEXT;

ALTER TABLE sellers ADD COLUMN tls_key BYTEA;
