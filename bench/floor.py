"""The floor: bare commits on the same PostgreSQL, with the same number of connections."""

import asyncio
import time

import asyncpg

from shared.kit.hints import asyncpg_arguments

_TABLE = "CREATE TABLE IF NOT EXISTS bench_floor (id bigserial PRIMARY KEY, note text NOT NULL)"
_INSERT = "INSERT INTO bench_floor (note) VALUES ('one row, one commit')"


async def commits_per_second(url: str, *, count: int, writers: int) -> float:
    """Insert `count` rows, each in a transaction of its own; rows per second."""
    pool = await asyncpg.create_pool(**asyncpg_arguments(url), min_size=writers, max_size=writers)
    async with pool:
        await pool.execute(_TABLE)
        left = iter(range(count))

        async def write() -> None:
            async with pool.acquire() as connection:
                for _ in left:
                    await connection.execute(_INSERT)

        began = time.perf_counter()
        await asyncio.gather(*(write() for _ in range(writers)))
        seconds = time.perf_counter() - began
        await pool.execute("DROP TABLE bench_floor")
    return count / seconds
