-- The key of the fingerprints, encrypted: it stays when secret keys go. The first process fills it in.

CREATE TABLE fingerprint_key (
    one BOOLEAN NOT NULL,
    key BYTEA NOT NULL,
    CONSTRAINT pk_fingerprint_key PRIMARY KEY (one),
    CONSTRAINT ck_fingerprint_key_one CHECK (one)
);

GRANT SELECT, INSERT, UPDATE ON fingerprint_key TO tandem_staff;
