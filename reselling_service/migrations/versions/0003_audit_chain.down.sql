-- Takes the chain away again; the entries stay, and what was redacted stays without content.

DROP TRIGGER opened ON audit_entries;

DROP TRIGGER sealed ON audit_entries;

DROP TRIGGER guarded ON audit_entries;

DROP TRIGGER kept ON audit_entries;

DROP FUNCTION audit_redact(uuid, timestamptz), audit_guard(), audit_seal(), audit_open();

DROP FUNCTION audit_entry_hash(audit_entries, bigint, bytea);

DROP FUNCTION audit_content_hash(bytea, jsonb, jsonb);

DROP FUNCTION audit_part(bytea);

ALTER TABLE audit_entries
    DROP CONSTRAINT ck_audit_entries_redacted,
    DROP CONSTRAINT ck_audit_entries_sealed,
    DROP COLUMN redacted_by,
    DROP COLUMN redacted_at,
    DROP COLUMN hash,
    DROP COLUMN previous_hash,
    DROP COLUMN content_hash,
    DROP COLUMN salt,
    DROP COLUMN number;

DROP TABLE audit_head;
