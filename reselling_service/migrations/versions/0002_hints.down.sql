-- Takes the hints away again; events come over the stream all the same.

ALTER TABLE sellers DROP COLUMN hook_secret;

ALTER TABLE sellers DROP COLUMN hook_id;
