"""Runs Alembic for either service: as the owner role, with time-outs, on asyncpg."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from alembic import context, op
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.kit.rls import OWNER_ROLE, create_roles

LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "15min"


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


async def _migrate(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_run, metadata)
        await connection.commit()
    await engine.dispose()


def _run(connection: Connection, metadata: MetaData) -> None:
    # Two migrations at once (two replicas starting) run one after the other.
    connection.execute(text("SELECT pg_advisory_lock(31337)"))
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
    context.configure(connection=connection, target_metadata=metadata, compare_type=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.execute(text("SELECT pg_advisory_unlock(31337)"))
