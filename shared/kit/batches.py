"""Does large clean-ups in small transactions, so that nothing is locked for long."""

from collections.abc import Awaitable, Callable

from shared.kit.db import Database, WriteSession

AT_ONCE = 1000
Batch = Callable[[WriteSession], Awaitable[int]]


async def in_batches(database: Database, batch: Batch) -> int:
    """Do it until a batch has fewer than `AT_ONCE`; how many in all."""
    total, done = 0, AT_ONCE
    while done >= AT_ONCE:
        async with database.write() as session:
            done = await batch(session)
        total += done
    return total
