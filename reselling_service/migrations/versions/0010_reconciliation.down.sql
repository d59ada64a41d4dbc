DROP TABLE seller_charges;

DROP TABLE reconciliation_differences;

DROP TABLE reconciliation_runs;
