"""Makes the logins of a service's processes: each a member of one role, and of nothing more.

`python -m shared.kit.logins SELLING` reads SELLING_OWNER_DATABASE_URL (who may create roles), and
makes who SELLING_APP_DATABASE_URL and SELLING_STAFF_DATABASE_URL name, with their passwords. Doing
it again sets the passwords anew. It runs after the migrations, which make the roles. A URL without
a password makes a login without one, for servers that ask for none (a private socket).

Roles belong to the whole server, so that with both halves on one server each half's logins could
enter the other's database: where the owner may, nobody but these logins is let in any more.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from typing import TypeAlias

import asyncpg

from shared.kit.hints import asyncpg_arguments
from shared.kit.rls import APP_ROLE, STAFF_ROLE

_ROLES = {"APP": APP_ROLE, "STAFF": STAFF_ROLE}
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(31338)"
_EXISTS = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)"
_CREATE = "SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)"
_ALTER = "SELECT format('ALTER ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)"
_GRANT = "SELECT format('GRANT %I TO %I', $1::text, $2::text)"
_NO_POWERS = """
SELECT format(
    'ALTER ROLE %I NOSUPERUSER NOCREATEROLE NOCREATEDB NOREPLICATION NOBYPASSRLS', $1::text
) FROM pg_roles WHERE rolname = $1
AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)
"""
_CLOSE = """
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
WHERE datname = current_database() AND pg_has_role(current_user, datdba, 'USAGE')
"""
_OPEN = "SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), $1::text)"
_OTHERS = """
SELECT format('REVOKE %I FROM %I', role.rolname, member.rolname)
FROM pg_auth_members
JOIN pg_roles role ON role.oid = roleid
JOIN pg_roles member ON member.oid = pg_auth_members.member
WHERE member.rolname = $1 AND role.rolname <> $2
"""
# The statements hold passwords, so that the server must not log them.
_SILENCE = (
    "SET LOCAL log_statement = 'none'",
    "SET LOCAL log_min_duration_statement = -1",
    "SET LOCAL log_min_error_statement = 'panic'",
)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def make_logins(prefix: str, environment: Mapping[str, str]) -> list[str]:
    """Make the logins of the service with this prefix; their names. KeyError: a URL is missing."""
    found = {
        role: asyncpg_arguments(environment[f"{prefix}_{name}_DATABASE_URL"])
        for name, role in _ROLES.items()
    }
    owner = asyncpg_arguments(environment[f"{prefix}_OWNER_DATABASE_URL"])
    connection = await asyncpg.connect(**owner)
    try:
        async with connection.transaction():
            for statement in (*_SILENCE, _ONE_AT_A_TIME):
                await connection.execute(statement)
            for role, login in found.items():
                await _make(connection, login["user"], login.get("password"), role=role)
            await _close(connection, *(login["user"] for login in found.values()))
    finally:
        await connection.close()
    return [login["user"] for login in found.values()]


async def _close(connection: Connection, *names: str) -> None:
    """Let only these into the database, besides its owner."""
    statement = await connection.fetchval(_CLOSE)
    if statement is not None:
        await connection.execute(statement)
        for name in names:
            await connection.execute(await connection.fetchval(_OPEN, name))


async def _make(connection: Connection, name: str, password: str | None, *, role: str) -> None:
    statement = _ALTER if await connection.fetchval(_EXISTS, name) else _CREATE
    await connection.execute(await connection.fetchval(statement, name, password))
    powers = await connection.fetchval(_NO_POWERS, name)
    if powers is not None:
        await connection.execute(powers)
    await connection.execute(await connection.fetchval(_GRANT, role, name))
    for other in await connection.fetch(_OTHERS, name, role):
        await connection.execute(other[0])


def main(arguments: list[str]) -> None:
    """Make them, and say so; exits with what is missing."""
    if len(arguments) != 1:
        sys.exit("usage: python -m shared.kit.logins SELLING|RESELLING")
    try:
        made = asyncio.run(make_logins(arguments[0], os.environ))
    except KeyError as missing:
        sys.exit(f"set {missing.args[0]}")
    sys.stdout.write(f"logins: {', '.join(made)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
