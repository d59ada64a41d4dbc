-- Privacy: clients who are forgotten, and the texts beside their money.

ALTER TABLE clients ADD COLUMN IF NOT EXISTS erased_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE services ADD COLUMN IF NOT EXISTS forgotten_at TIMESTAMP WITH TIME ZONE;

-- Entries are only added, but for their text, and that only of a client whose erasure was written.
-- Amounts, dates and numbers stay as they are.
CREATE OR REPLACE FUNCTION erase_entry_texts(wanted uuid) RETURNS void LANGUAGE sql
SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE entries SET text = kind
    WHERE client_id = (SELECT client_id FROM clients WHERE client_id = wanted AND erased_at IS NOT NULL)
        AND text <> kind
$$;

REVOKE ALL ON FUNCTION erase_entry_texts(uuid) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION erase_entry_texts(uuid) TO tandem_staff;
