-- Sellers are believed as browsers do it, and shown nothing.

ALTER TABLE sellers DROP COLUMN tls_key;

ALTER TABLE sellers DROP COLUMN tls_certificate;

ALTER TABLE sellers DROP COLUMN tls_pin;

ALTER TABLE sellers DROP COLUMN tls_authority;
