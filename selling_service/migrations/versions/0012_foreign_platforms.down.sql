DROP TABLE foreign_vms;

DROP TABLE foreign_users;
