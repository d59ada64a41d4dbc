"""What a test sees and does behind the services' backs: their databases and the platform.

Reads as a superuser, past every policy, and knows nothing of what should be there.
"""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any, TypeVar

import asyncpg
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from selling_service.provisioning.drivers.simulated import Behaviour, SimulatedPlatform

Row = dict[str, Any]
Done = TypeVar("Done")


def rows(database_url: str, statement: str, *values: object) -> list[Row]:
    """Run one SELECT; its rows as dicts."""

    async def fetch(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Row]:
        return [dict(row) for row in await connection.fetch(statement, *values)]

    return asyncio.run(_connected(database_url, fetch))


def one(database_url: str, statement: str, *values: object) -> Any:
    """Run a SELECT of one value."""
    (row,) = rows(database_url, statement, *values)
    (value,) = row.values()
    return value


def execute(database_url: str, statement: str) -> None:
    """Change something as whoever holds the database."""

    async def run(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await connection.execute(statement)

    asyncio.run(_connected(database_url, run))


def dump(database_url: str) -> bytes:
    """Return every row of every table as text, bytes as the characters that they are."""

    async def copy(connection: "asyncpg.Connection[asyncpg.Record]") -> bytes:
        sink = BytesIO()
        await connection.execute("SET bytea_output = 'escape'")
        tables = await connection.fetch(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
            " AND table_type = 'BASE TABLE' ORDER BY table_name"
        )
        for (table,) in tables:
            sink.write(f"\n-- {table}\n".encode())
            await connection.copy_from_table(table, output=sink)
        return sink.getvalue()

    return asyncio.run(_connected(database_url, copy))


def on_platform(
    database_url: str, use: Callable[[SimulatedPlatform], Awaitable[Done]], *, name: str
) -> Done:
    """Speak with the simulated platform as its own administrators would."""

    async def speak() -> Done:
        engine = create_async_engine(database_url, poolclass=NullPool)
        try:
            return await use(SimulatedPlatform(engine, name=name))
        finally:
            await engine.dispose()

    return asyncio.run(speak())


def behave(database_url: str, behaviour: Behaviour) -> None:
    """Let the simulated platform behave so from now on."""
    on_platform(database_url, lambda platform: platform.set_behaviour(behaviour), name="simulated")


async def _connected(
    database_url: str,
    use: Callable[["asyncpg.Connection[asyncpg.Record]"], Awaitable[Done]],
) -> Done:
    url = make_url(database_url).set(drivername="postgresql")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        return await use(connection)
    finally:
        await connection.close()
