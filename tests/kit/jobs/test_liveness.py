"""The lock and the heartbeat of a worker hold where others get in their way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from sqlalchemy import text

from shared.kit.db import Database
from shared.kit.jobs import Job, enqueue
from shared.kit.jobs.liveness import Liveness
from shared.kit.jobs.queue import LOCK_CLASS, claim
from tests.kit.stage import eventually, stage

WORKER = 7
_HOLDERS = text("""
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND classid = cast(:class AS integer)::oid AND objid = 7 AND granted
""")


@asynccontextmanager
async def alive(database: Database, jobs: list[Job]) -> AsyncIterator[Liveness]:
    """A heart that beats four times a second for these jobs."""
    liveness = Liveness(
        database,
        number=WORKER,
        lease_seconds=0.75,
        in_hand=lambda: [job.id for job in jobs],
        on_held=lambda: None,
    )
    beating = asyncio.create_task(liveness.run())
    await asyncio.wait_for(liveness.held.wait(), timeout=5)
    try:
        yield liveness
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def holders(database: Database) -> set[int]:
    async with database.read() as session:
        return set((await session.scalars(_HOLDERS, {"class": LOCK_CLASS})).all())


async def lives_on(database: Database, job: Job) -> bool:
    """Whether the lease reaches into the future."""
    statement = text("SELECT lease_until > clock_timestamp() FROM jobs WHERE id = :id")
    async with database.read() as session:
        return bool(await session.scalar(statement, {"id": job.id}))


async def take_two(database: Database) -> list[Job]:
    async with database.write() as session:
        for _ in range(2):
            await enqueue(session, "note", payload={}, lane=uuid4())
    async with database.write() as session:
        return await claim(session, worker=WORKER, limit=2, lease_seconds=0.75)


async def test_the_heart_beats_on_while_one_of_its_jobs_is_locked(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        locked, free = await take_two(database)
        async with alive(database, [locked, free]), database.write() as session:
            statement = text("SELECT id FROM jobs WHERE id = :id FOR UPDATE")
            await session.execute(statement, {"id": locked.id})
            await asyncio.sleep(1.5)
            assert await lives_on(database, free)
            assert not await lives_on(database, locked)


async def test_the_lock_is_taken_again_though_the_server_takes_the_old_session_for_alive(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        async with alive(database, []) as liveness:
            [first] = await holders(database)
            async with database.write() as zombie:
                shared = text("SELECT pg_advisory_lock_shared(:class, 7)")
                await zombie.execute(shared, {"class": LOCK_CLASS})
                await zombie.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": first})

                async def taken_again() -> bool:
                    return len(await holders(database) - {first}) == 2

                await eventually(taken_again, seconds=5)
                await asyncio.wait_for(liveness.held.wait(), timeout=5)
                await zombie.execute(text("SELECT pg_advisory_unlock_all()"))

        async def nobody_holds_it() -> bool:
            return await holders(database) == set()

        # The server needs a moment to notice that a connection was cut.
        await eventually(nobody_holds_it, seconds=5)
