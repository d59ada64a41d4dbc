ALTER TABLE platforms DROP COLUMN capabilities;
