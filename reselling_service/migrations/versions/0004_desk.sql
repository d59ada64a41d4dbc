-- The desk: what people noted, what is parked, and the indexes by which a trail is found again.

CREATE TABLE desk_cases (
    kind TEXT NOT NULL,
    object_id UUID NOT NULL,
    holder_id UUID,
    note TEXT,
    handed_at TIMESTAMP WITH TIME ZONE,
    dismissed_at TIMESTAMP WITH TIME ZONE,
    settled TEXT,
    CONSTRAINT pk_desk_cases PRIMARY KEY (kind, object_id)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON desk_cases TO tandem_staff;

ALTER TABLE balances ADD COLUMN parked_code TEXT, ADD COLUMN parked_detail TEXT, ADD COLUMN parked_at TIMESTAMP WITH TIME ZONE;

ALTER TABLE services ADD COLUMN parked_code TEXT, ADD COLUMN parked_detail TEXT, ADD COLUMN parked_at TIMESTAMP WITH TIME ZONE;
