-- Takes the tables of the hints away again; hints on their way are forgotten.

DELETE FROM jobs WHERE kind = 'webhook';

DROP TABLE webhook_deliveries, webhook_endpoints;
