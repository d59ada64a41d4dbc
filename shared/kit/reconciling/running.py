"""One run at a time over all processes, whoever began it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared.kit.db import Database

LOOK_AGAIN_SECONDS = 5.0
_LOCK_CLASS = 0x7A6F


class ComparingAlready(ValueError):
    """Another process is comparing."""

    def __init__(self) -> None:
        super().__init__("Another comparison is under way. Try again when it is over.")


@asynccontextmanager
async def one_at_a_time(database: Database) -> AsyncIterator[None]:
    """Hold the run's lock by a connection of its own. Raises ComparingAlready."""
    connection = await asyncpg.connect(**database.connect_arguments())
    try:
        if not await connection.fetchval("SELECT pg_try_advisory_lock($1, 0)", _LOCK_CLASS):
            raise ComparingAlready
        yield
    finally:
        connection.terminate()
