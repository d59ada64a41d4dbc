-- How many workers ended or froze while they worked on a job. The indexes are built beside running writers.

ALTER TABLE jobs ADD COLUMN IF NOT EXISTS crashes SMALLINT NOT NULL DEFAULT 0;
