DROP INDEX ix_jobs_dead;

DROP INDEX ix_jobs_suspect;

ALTER TABLE jobs DROP COLUMN crashes;
