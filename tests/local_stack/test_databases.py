"""The tests' own databases: fresh for each test, gone afterwards."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from tests.conftest import PostgresServer


async def run(url: str, statement: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool)
    async with engine.begin() as connection:
        await connection.execute(text(statement))


@pytest.mark.parametrize("time", ["first", "second"])
async def test_what_one_test_makes_another_does_not_see(empty_database_url: str, time: str) -> None:
    await run(empty_database_url, "CREATE TABLE once (time text)")


def test_database_goes_even_while_somebody_is_connected(postgres: PostgresServer) -> None:
    with asyncio.Runner() as runner:
        with postgres.database() as name:
            engine = create_async_engine(postgres.url(name))
            connection = runner.run(engine.connect().start())
        with pytest.raises(DBAPIError, match=r"terminating connection|connection was closed"):
            runner.run(connection.execute(text("SELECT 1")))
        runner.run(connection.close())
        runner.run(engine.dispose())
