-- What orders may ask of a platform. Null until the worker has asked it for the first time.

ALTER TABLE platforms ADD COLUMN capabilities TEXT[];
