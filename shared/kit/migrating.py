"""Runs Alembic for either service: as the owner role, with time-outs, on asyncpg."""

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path

from alembic import context, op
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.kit.rls import OWNER_ROLE, create_roles

# Whoever waits for a strong lock makes all that come after it wait: rather fail, and try again.
LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"
ONE_AT_A_TIME = 31337


def database_url(prefix: str, arguments: Mapping[str, str]) -> str:
    """The URL of whoever migrates: `-x url=…`, else the owner's, else the service's own."""
    names = (f"{prefix}_OWNER_DATABASE_URL", f"{prefix}_DATABASE_URL")
    for candidate in (arguments.get("url"), *(os.environ.get(name) for name in names)):
        if candidate:
            return candidate
    message = f"say which database: -x url=postgresql+asyncpg://… or set {names[1]}"
    raise SystemExit(message)


def run(*, metadata: MetaData, prefix: str) -> None:
    """What `env.py` calls."""
    if context.is_offline_mode():
        message = "migrations run against a database; write no SQL file from them"
        raise SystemExit(message)
    url = database_url(prefix, context.get_x_argument(as_dictionary=True))
    asyncio.run(_migrate(url, metadata))


def run_script(revision: str, ending: str) -> None:
    """Run the SQL beside a revision's file, in the revision's transaction.

    A first revision is plain SQL: what it makes must never change with the code.
    """
    script = Path(revision).with_suffix(ending).read_text(encoding="utf-8")
    connection = op.get_bind().connection.dbapi_connection
    if connection is None:
        message = "the connection was lost"
        raise ConnectionError(message)
    op.execute("SELECT 1")  # begins the transaction, which the driver's own call would not
    connection.run_async(lambda driver: driver.execute(script))


def build_index(name: str, of: str, *, unique: bool = False) -> None:
    """Build an index beside running writers: `of` is `table (columns) WHERE …`.

    What the revision did before is committed first: this comes last, after statements that can be
    repeated (`IF NOT EXISTS`), should it fail. What an earlier try left half-built goes. It waits
    for transactions of others, and they not for it.
    """
    kind = "UNIQUE INDEX" if unique else "INDEX"
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = 0")
        op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
        op.execute(f"CREATE {kind} CONCURRENTLY {name} ON {of}")
        op.execute(f"SET lock_timeout = '{LOCK_TIMEOUT}'")


async def _migrate(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run, metadata)
        await connection.commit()
    await engine.dispose()


def _run(connection: Connection, metadata: MetaData) -> None:
    _wait_for_our_turn(connection)
    encoding = connection.scalar(text("SHOW server_encoding"))
    if encoding != "UTF8":
        message = f"the database is encoded in {encoding}; create it with ENCODING 'UTF8'"
        raise SystemExit(message)
    for statement in create_roles():
        connection.execute(text(statement))
    connection.execute(text(f"GRANT USAGE, CREATE ON SCHEMA public TO {OWNER_ROLE}"))
    connection.execute(text(f"SET lock_timeout = '{LOCK_TIMEOUT}'"))
    connection.execute(text(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'"))
    connection.execute(text(f"SET ROLE {OWNER_ROLE}"))
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        compare_type=True,
        # What a later revision needs was committed, and locks of each last as long as it alone.
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text(f"SELECT pg_advisory_unlock({ONE_AT_A_TIME})"))


def _wait_for_our_turn(connection: Connection) -> None:
    """Two migrations at once (two replicas starting) run one after the other.

    Who waits holds no transaction: an index that the other one builds would wait for its end.
    """
    while not connection.scalar(text(f"SELECT pg_try_advisory_lock({ONE_AT_A_TIME})")):
        connection.rollback()
        time.sleep(0.2)
