"""Refuses database logins that could switch row-level security off; knows no table by name.

What a connection can become decides, not what it is: a login that is a member of a second role can
take that one on with one statement. So only those pass that can be their one role and no other.
"""

import structlog
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.kit.db import DATABASE_AWAY, Database

_log = structlog.get_logger(__name__)
# A superuser is a member of every role. Whoever may create roles can make himself a member of most.
_LOOK = """
SELECT session_user,
    array_to_string(ARRAY(
        SELECT 'may become ' || rolname FROM pg_roles
        WHERE pg_has_role(session_user, oid, 'MEMBER') AND rolname NOT IN (session_user, '{role}')
        AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
        UNION ALL
        SELECT rolname || ' is ' || power FROM pg_roles, LATERAL (VALUES
            ('a superuser', rolsuper), ('free of row-level security', rolbypassrls),
            ('allowed to create roles', rolcreaterole), ('a replica''s login', rolreplication)
        ) AS powers (power, held)
        WHERE held AND rolname IN (session_user, '{role}')
        UNION ALL
        SELECT rolname || ' owns ' || relname FROM pg_class JOIN pg_roles ON relowner = pg_roles.oid
        WHERE rolname IN (session_user, '{role}') AND relpersistence = 'p'
        UNION ALL
        SELECT 'may create in the schema public'
        WHERE has_schema_privilege(session_user, 'public', 'CREATE')
        UNION ALL
        SELECT 'reads ' || relname || ' without its policies' FROM pg_class
        WHERE relrowsecurity AND NOT row_security_active(oid)
        UNION ALL
        SELECT 'is no member of {role}' WHERE NOT pg_has_role(session_user, '{role}', 'MEMBER')
        LIMIT 5
    ), '; ')
"""


class WallsCanFall(ValueError):
    """A login of this process could switch row-level security off; the text says what to do."""


def guard(engine: AsyncEngine, *, role: str, prefix: str) -> None:
    """Look at each new connection before it is used: WallsCanFall where it could escape."""

    def look(connection: DBAPIConnection, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(_LOOK.format(role=role))
        (login, powers) = cursor.fetchone() or ("?", "tells nothing of itself")
        connection.rollback()
        if powers:
            raise WallsCanFall(explain(login, powers, prefix=prefix))

    event.listen(engine.sync_engine, "connect", look)


def explain(login: str, powers: str, *, prefix: str) -> str:
    """What an operator reads."""
    return (
        f"The database login {login} could switch row-level security off: {powers}. Set "
        f"{prefix}APP_DATABASE_URL and {prefix}STAFF_DATABASE_URL to logins of their own, and make "
        f"them with `python -m shared.kit.logins {prefix.rstrip('_')}` ({prefix}OWNER_DATABASE_URL "
        f"says who may). For development only: {prefix}ALLOW_POWERFUL_LOGIN=true."
    )


async def check_walls(*databases: Database) -> None:
    """Connect once to each, so that a process with a powerful login doesn't even start.

    A database that can't be asked yet keeps nobody from starting: each connection is looked at.
    """
    for database in databases:
        try:
            async with database.engine.connect():
                pass
        except DATABASE_AWAY as error:
            _log.warning("walls.unchecked", error=type(error).__name__)
