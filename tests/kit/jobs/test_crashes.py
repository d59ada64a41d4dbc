"""Jobs that kill their workers are tried alone, then set aside; others don't suffer for it."""

from collections.abc import Sequence
from uuid import uuid4

import pytest
from sqlalchemy import text

from shared.kit.db import Database
from shared.kit.jobs import enqueue
from shared.kit.jobs.queue import (
    LOCK_CLASS,
    claim,
    claim_suspect,
    free_lost,
    must_take_suspect,
    set_back,
)
from shared.kit.jobs.table import CRASHES_UNTIL_ALONE, CRASHES_UNTIL_SET_ASIDE, NEVER_GIVEN_UP
from tests.kit.jobs.processes import worker_process
from tests.kit.stage import START, count, eventually, stage

BYSTANDERS = 4
MINUTE = 60.0
pytestmark = pytest.mark.timeout(120)  # processes start slowly on a busy machine


async def add_poison(database: Database, *, max_attempts: int = 12) -> int:
    async with database.write() as session:
        lane = uuid4()
        return await enqueue(
            session, "fatal", payload={"number": 0}, lane=lane, max_attempts=max_attempts
        )


async def add_bystanders(database: Database) -> None:
    async with database.write() as session:
        for number in range(1, BYSTANDERS + 1):
            payload = {"number": number, "seconds": 0.5}
            await enqueue(session, "note", payload=payload, lane=uuid4())


async def column(database: Database, name: str, job_id: int) -> object:
    async with database.read() as session:
        statement = text(f"SELECT {name} FROM jobs WHERE id = :id")  # noqa: S608
        return await session.scalar(statement, {"id": job_id})


async def die_of(database: Database, url: str, *, ahead: float) -> None:
    """Let a worker process work until it ends."""
    async with worker_process(url, ahead=ahead) as worker:
        assert await worker.process.wait() == -9


@pytest.mark.slow
async def test_a_job_that_kills_its_workers_is_set_aside_and_no_other_job_dies_of_it(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        poison = await add_poison(database)
        await add_bystanders(database)
        for death in range(CRASHES_UNTIL_SET_ASIDE):
            await die_of(database, empty_database_url, ahead=(1 + death) * MINUTE)
        async with worker_process(empty_database_url, ahead=9 * MINUTE):

            async def at_rest() -> bool:
                return await count(database, "diary") == BYSTANDERS and (
                    await column(database, "state", poison) == "dead"
                )

            await eventually(at_rest, seconds=20)
        assert "ended: 5 in a row" in str(await column(database, "last_error", poison))
        assert await count(database, "jobs") == 1


async def test_what_is_never_given_up_is_tried_again_later_and_each_time_alone(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        poison = await add_poison(database, max_attempts=NEVER_GIVEN_UP)
        await crash(database, CRASHES_UNTIL_SET_ASIDE)
        async with worker_process(empty_database_url, ahead=MINUTE):

            async def set_aside() -> bool:
                return await column(database, "last_error", poison) is not None

            await eventually(set_aside, seconds=20)
        assert await column(database, "state", poison) == "ready"
        waits = await column(database, "extract(epoch FROM run_at)::float8", poison)
        assert isinstance(waits, float)
        assert waits - START.timestamp() >= MINUTE + 600
        await die_of(database, empty_database_url, ahead=waits - START.timestamp() + 1)
        crashes = await column(database, "crashes", poison)
        assert crashes == CRASHES_UNTIL_SET_ASIDE - 1  # the next worker counts the last one


async def crash(database: Database, times: int) -> None:
    """Let a worker claim everything and vanish, so many times."""
    for _ in range(times):
        async with database.write() as session:
            if not await claim(session, worker=7, limit=10, lease_seconds=30):
                await claim_suspect(session, worker=7, lease_seconds=30)
        async with database.write() as session:
            await free_lost(session, me=8, in_hand=[])
            await session.execute(text("UPDATE jobs SET run_at = :at"), {"at": START})


async def suspects(database: Database, *, of: int, living: Sequence[int]) -> bool:
    """Whether worker `of` is to try a suspect while these workers live."""
    async with database.write() as session:
        for number in living:
            lock = text("SELECT pg_advisory_xact_lock_shared(:class, :number)")
            await session.execute(lock, {"class": LOCK_CLASS, "number": number})
            await session.execute(
                text(
                    "INSERT INTO workers VALUES (:n, :at, clock_timestamp()) ON CONFLICT DO NOTHING"
                ),
                {"n": number, "at": START},
            )
        return await must_take_suspect(session, worker=of)


async def test_one_of_the_living_workers_takes_care_of_suspects(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        await add_poison(database)
        await crash(database, CRASHES_UNTIL_ALONE - 1)
        assert not await suspects(database, of=3, living=[3, 4])
        await crash(database, 1)
        assert [await suspects(database, of=one, living=[3, 4]) for one in (3, 4)] == [True, False]
        assert await suspects(database, of=4, living=[4])
        async with database.write() as session:
            assert await claim(session, worker=3, limit=10, lease_seconds=30) == []
            [job] = await claim_suspect(session, worker=3, lease_seconds=30)
        assert job.crashes == CRASHES_UNTIL_ALONE
        async with database.write() as session:
            await set_back(session, job, error="it only failed", run_at=START)
        assert await column(database, "crashes", job.id) == 0


async def test_a_job_that_its_worker_let_go_of_has_not_crashed(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        poison = await add_poison(database)
        async with database.write() as session:
            await claim(session, worker=7, limit=1, lease_seconds=30)
            assert await free_lost(session, me=7, in_hand=[]) == [("fatal", False)]
        assert await column(database, "crashes", poison) == 0
