-- What we know of users and VMs on platforms that keep no fence of ours. The staff's login alone
-- works on them, as on the simulated platform's tables.

CREATE TABLE foreign_users (
    platform TEXT NOT NULL,
    owner_id UUID NOT NULL,
    CONSTRAINT pk_foreign_users PRIMARY KEY (platform, owner_id)
);

CREATE TABLE foreign_vms (
    platform TEXT NOT NULL,
    vm_id UUID NOT NULL,
    owner_id UUID NOT NULL,
    fence BIGINT NOT NULL,
    deleted BOOLEAN NOT NULL,
    built BOOLEAN NOT NULL,
    wanted TEXT NOT NULL,
    locked BOOLEAN NOT NULL,
    vcpu INTEGER NOT NULL,
    ram_mib INTEGER NOT NULL,
    disk_gib INTEGER NOT NULL,
    ipv4 INTEGER NOT NULL,
    image TEXT NOT NULL,
    hostname TEXT NOT NULL,
    mark TEXT,
    held_by UUID,
    held_until TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_foreign_vms PRIMARY KEY (platform, vm_id),
    CONSTRAINT ck_foreign_vms_wanted CHECK (wanted IN ('running', 'stopped')),
    CONSTRAINT ck_foreign_vms_locked_is_stopped CHECK (NOT ((locked OR deleted) AND wanted = 'running'))
);

CREATE INDEX ix_foreign_vms_owner ON foreign_vms (platform, owner_id);

GRANT SELECT, INSERT, UPDATE, DELETE ON foreign_users, foreign_vms TO tandem_staff;
