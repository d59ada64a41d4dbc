"""One run at a time over all processes, whoever began it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared.kit.db import Database

_LOCK_CLASS = 0x7A6F


@asynccontextmanager
async def one_at_a_time(database: Database) -> AsyncIterator[bool]:
    """Hold the run's lock by a connection of its own; false where another process has it."""
    connection = await asyncpg.connect(**database.connect_arguments())
    try:
        yield bool(await connection.fetchval("SELECT pg_try_advisory_lock($1, 0)", _LOCK_CLASS))
    finally:
        connection.terminate()
