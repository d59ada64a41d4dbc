#!/bin/sh
# What docker-compose.yml needs of the official image's entrypoint: makes the cluster once, then runs it.
set -eu
PATH="$(echo /usr/lib/postgresql/*/bin):$PATH"
export LANG=C.UTF-8
PGDATA=/var/lib/postgresql/data
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	(umask 077 && echo "$POSTGRES_PASSWORD" >/tmp/password)
	# shellcheck disable=SC2086
	initdb -D "$PGDATA" -U "$POSTGRES_USER" --pwfile=/tmp/password --auth-host=scram-sha-256 \
		--auth-local=trust ${POSTGRES_INITDB_ARGS:-}
	rm /tmp/password
	echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -w -o "-c listen_addresses=''" start
	createdb -h /var/run/postgresql -U "$POSTGRES_USER" "$POSTGRES_DB"
	pg_ctl -D "$PGDATA" -w stop
fi
exec postgres -D "$PGDATA" -c "listen_addresses=*"
