-- The audit becomes a chain: each entry holds the hash of the one before it. The database itself
-- numbers and hashes when a transaction commits, refuses to change or delete an entry, and takes out
-- content only for a redaction that stands in the chain, too.

CREATE TABLE audit_head (
    one BOOLEAN NOT NULL,
    number BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit_head PRIMARY KEY (one),
    CONSTRAINT ck_audit_head_one CHECK (one)
);

INSERT INTO audit_head (one, number, hash) VALUES (true, 0, decode(repeat('00', 32), 'hex'));

GRANT SELECT ON audit_head TO tandem_staff;

ALTER TABLE audit_entries
    ADD COLUMN number BIGINT,
    ADD COLUMN salt BYTEA,
    ADD COLUMN content_hash BYTEA,
    ADD COLUMN previous_hash BYTEA,
    ADD COLUMN hash BYTEA,
    ADD COLUMN redacted_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN redacted_by UUID;

-- With its length in front, so that no byte can move from one part to the next; -1 is no value.
CREATE FUNCTION audit_part(value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE
RETURN CASE WHEN value IS NULL THEN int8send(-1) ELSE int8send(length(value)) || value END;

CREATE FUNCTION audit_content_hash(salt bytea, before jsonb, after jsonb) RETURNS bytea
LANGUAGE sql STABLE
RETURN sha256(
    audit_part('tandem audit content 1') || audit_part(salt)
    || audit_part(convert_to(before::text, 'UTF8')) || audit_part(convert_to(after::text, 'UTF8'))
);

CREATE FUNCTION audit_entry_hash(entry audit_entries, number bigint, previous bytea) RETURNS bytea
LANGUAGE sql STABLE
RETURN sha256(
    audit_part('tandem audit entry 1')
    || audit_part(previous)
    || audit_part(int8send(number))
    || audit_part(uuid_send(entry.id))
    || audit_part(int8send((extract(epoch FROM entry.at) * 1000000)::bigint))
    || audit_part(convert_to(entry.actor_kind, 'UTF8'))
    || audit_part(uuid_send(entry.actor_id))
    || audit_part(convert_to(entry.action, 'UTF8'))
    || audit_part(convert_to(entry.object_type, 'UTF8'))
    || audit_part(convert_to(entry.object_id, 'UTF8'))
    || audit_part(uuid_send(entry.request_id))
    || audit_part(convert_to(entry.traceparent, 'UTF8'))
    || audit_part(entry.content_hash)
);

-- Whatever a writer sends for these columns, the database's own values stand there.
CREATE FUNCTION audit_open() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    NEW.number := NULL;
    NEW.previous_hash := NULL;
    NEW.hash := NULL;
    NEW.redacted_at := NULL;
    NEW.redacted_by := NULL;
    NEW.salt := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
    NEW.content_hash := audit_content_hash(NEW.salt, NEW.before, NEW.after);
    RETURN NEW;
END $$;

-- Deferred to the commit: the head is the last lock of a transaction and is held while it commits.
CREATE FUNCTION audit_seal() RETURNS trigger LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    head audit_head;
    sealed bytea;
BEGIN
    UPDATE audit_head SET number = audit_head.number + 1 RETURNING * INTO STRICT head;
    sealed := audit_entry_hash(NEW, head.number, head.hash);
    UPDATE audit_entries SET number = head.number, previous_hash = head.hash, hash = sealed
    WHERE id = NEW.id;
    UPDATE audit_head SET hash = sealed;
    RETURN NULL;
END $$;

-- What there was before has its numbers in the order of its ids, which is that of time.
DO $$
DECLARE
    entry audit_entries;
    head audit_head;
BEGIN
    SELECT * INTO STRICT head FROM audit_head;
    FOR entry IN SELECT * FROM audit_entries ORDER BY id LOOP
        entry.salt := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());
        entry.content_hash := audit_content_hash(entry.salt, entry.before, entry.after);
        entry.number := head.number + 1;
        entry.previous_hash := head.hash;
        entry.hash := audit_entry_hash(entry, entry.number, entry.previous_hash);
        UPDATE audit_entries
        SET number = entry.number, salt = entry.salt, content_hash = entry.content_hash,
            previous_hash = entry.previous_hash, hash = entry.hash
        WHERE id = entry.id;
        head.number := entry.number;
        head.hash := entry.hash;
    END LOOP;
    UPDATE audit_head SET number = head.number, hash = head.hash;
END $$;

-- Every entry was just hashed under this lock, one by one: what these lines look at again is a
-- small part of that. The audit holds what staff did, and reads of it may wait.
ALTER TABLE audit_entries
    -- squawk-ignore adding-not-nullable-field
    ALTER COLUMN content_hash SET NOT NULL,
    -- squawk-ignore constraint-missing-not-valid, disallowed-unique-constraint
    ADD CONSTRAINT uq_audit_entries_number UNIQUE (number),
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_audit_entries_sealed CHECK ((number IS NULL) = (hash IS NULL) AND (number IS NULL) = (previous_hash IS NULL)),
    -- squawk-ignore constraint-missing-not-valid
    ADD CONSTRAINT ck_audit_entries_redacted CHECK (CASE WHEN redacted_at IS NULL THEN redacted_by IS NULL AND salt IS NOT NULL ELSE redacted_by IS NOT NULL AND salt IS NULL AND before IS NULL AND after IS NULL END);

-- Two changes are no tampering: sealing what is new, and taking out content for a redaction.
CREATE FUNCTION audit_guard() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    allowed audit_entries;
BEGIN
    IF TG_OP = 'UPDATE' THEN
        allowed := OLD;
        IF OLD.number IS NULL THEN
            allowed.number := NEW.number;
            allowed.previous_hash := NEW.previous_hash;
            allowed.hash := NEW.hash;
        ELSIF OLD.redacted_at IS NULL THEN
            allowed.before := NULL;
            allowed.after := NULL;
            allowed.salt := NULL;
            allowed.redacted_at := NEW.redacted_at;
            allowed.redacted_by := NEW.redacted_by;
        END IF;
        IF NEW IS NOT DISTINCT FROM allowed THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION 'the audit is only added to' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER opened BEFORE INSERT ON audit_entries
FOR EACH ROW EXECUTE FUNCTION audit_open();

CREATE CONSTRAINT TRIGGER sealed AFTER INSERT ON audit_entries
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_seal();

CREATE TRIGGER guarded BEFORE UPDATE OR DELETE ON audit_entries
FOR EACH ROW EXECUTE FUNCTION audit_guard();

CREATE TRIGGER kept BEFORE TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION audit_guard();

-- The one way to take content out: for a record of this very transaction that names the entries.
-- What it names and is itself a record of redactions, or not sealed yet, stays; how many went.
CREATE FUNCTION audit_redact(record_id uuid, moment timestamptz) RETURNS integer LANGUAGE plpgsql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    named uuid[];
    done integer;
BEGIN
    SELECT array(SELECT jsonb_array_elements_text(e.after -> 'entries')::uuid) INTO named
    FROM audit_entries e
    WHERE e.id = record_id AND e.number IS NULL AND e.action = 'audit.redact';
    IF named IS NULL THEN
        RAISE EXCEPTION 'a redaction needs its own record in the audit'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE audit_entries e
    SET before = NULL, after = NULL, salt = NULL, redacted_at = moment, redacted_by = record_id
    WHERE e.id = ANY (named) AND e.number IS NOT NULL AND e.redacted_at IS NULL
        AND e.action <> 'audit.redact';
    GET DIAGNOSTICS done = ROW_COUNT;
    RETURN done;
END $$;

REVOKE ALL ON FUNCTION
    audit_part(bytea), audit_content_hash(bytea, jsonb, jsonb),
    audit_entry_hash(audit_entries, bigint, bytea), audit_open(), audit_seal(), audit_guard(),
    audit_redact(uuid, timestamptz)
FROM PUBLIC;

GRANT EXECUTE ON FUNCTION audit_redact(uuid, timestamptz) TO tandem_staff;
