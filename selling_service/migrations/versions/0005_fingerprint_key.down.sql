-- Takes the key away again; fingerprints are made from the oldest secret key as before.

DROP TABLE fingerprint_key;
