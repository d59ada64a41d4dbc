-- Privacy: services that ended long ago and whose host names are gone.

ALTER TABLE services ADD COLUMN IF NOT EXISTS forgotten_at TIMESTAMP WITH TIME ZONE;
