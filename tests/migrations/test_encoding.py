"""A database that can't keep every name is refused before anything is made in it."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from local_stack import migrations
from tests.conftest import PostgresServer


def test_database_that_is_not_utf8_is_refused(postgres: PostgresServer) -> None:
    name = f"{postgres.prefix}_ascii"

    async def run(statement: str) -> None:
        engine = create_async_engine(
            postgres.admin_url, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        )
        async with engine.connect() as connection:
            await connection.execute(text(statement))
        await engine.dispose()

    asyncio.run(run(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'"))
    try:
        with pytest.raises(SystemExit, match="UTF8"):
            migrations.upgrade("selling", url=postgres.url(name))
    finally:
        asyncio.run(run(f"DROP DATABASE {name} WITH (FORCE)"))
