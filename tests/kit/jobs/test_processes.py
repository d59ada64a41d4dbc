"""Worker processes that are killed, frozen and stopped: nothing is lost, nothing done twice."""

import asyncio
import signal
from contextlib import AsyncExitStack
from uuid import uuid4

import pytest
from sqlalchemy import select, text

from shared.kit.db import Database
from shared.kit.jobs import enqueue
from tests.kit.jobs.processes import worker_process
from tests.kit.stage import Diary, count, eventually, stage

pytestmark = pytest.mark.timeout(180)  # processes start slowly on a busy machine


async def add_note(database: Database, number: int, *, seconds: float = 0) -> None:
    async with database.write() as session:
        payload = {"number": number, "seconds": seconds}
        await enqueue(session, "note", payload=payload, lane=uuid4())


async def all_noted(database: Database, number: int) -> bool:
    return await count(database, "diary") == number


async def noted(database: Database) -> list[tuple[int, int]]:
    async with database.read() as session:
        rows = await session.execute(select(Diary.number, Diary.worker).order_by(Diary.id))
        return [(row.number, row.worker) for row in rows]


@pytest.mark.slow
async def test_three_workers_keep_the_order_of_each_lane_and_do_nothing_twice(
    empty_database_url: str,
) -> None:
    lanes = [uuid4() for _ in range(20)]
    async with stage(empty_database_url) as database, AsyncExitStack() as workers:
        starting = (worker_process(empty_database_url) for _ in range(3))
        await asyncio.gather(*(workers.enter_async_context(one) for one in starting))
        for number in range(300):
            async with database.write() as session:
                payload = {"number": number, "seconds": 0.002 * (number % 5)}
                await enqueue(session, "note", payload=payload, lane=lanes[number % 20])

        async def empty() -> bool:
            return await count(database, "jobs") == 0

        await eventually(empty, seconds=60, what="the end of all jobs")
        async with database.read() as reading:
            rows = (await reading.scalars(select(Diary).order_by(Diary.id))).all()
    assert sorted(row.number for row in rows) == list(range(300))
    assert len({row.worker for row in rows}) == 3
    for lane in lanes:
        numbers = [row.number for row in rows if row.lane == lane]
        assert numbers == sorted(numbers)


async def test_the_jobs_of_a_killed_worker_are_run_again_at_once(empty_database_url: str) -> None:
    async with (
        stage(empty_database_url) as database,
        worker_process(empty_database_url) as first,
        worker_process(empty_database_url) as second,
    ):
        second.send(signal.SIGSTOP)
        await add_note(database, 1, seconds=1)
        await first.began(1)
        first.send(signal.SIGKILL)
        second.send(signal.SIGCONT)
        began = asyncio.get_running_loop().time()
        await second.began(1)
        # A second at the most on a machine that is free; the lease would be 30.
        assert asyncio.get_running_loop().time() - began < 5
        await eventually(lambda: all_noted(database, 1), seconds=20)
        assert await noted(database) == [(1, second.number)]


async def test_a_frozen_worker_that_comes_back_records_nothing_that_another_took_over(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        await add_note(database, 1, seconds=2)
        async with worker_process(empty_database_url, lease=1.5) as frozen:
            await frozen.began(1)
            frozen.send(signal.SIGSTOP)
            async with worker_process(empty_database_url, lease=1.5) as other:
                await other.began(1)
                frozen.send(signal.SIGCONT)
                # It wakes with its work done, and finds the job in other hands.
                await eventually(lambda: all_noted(database, 1), seconds=20)
                await asyncio.sleep(1)
                assert await noted(database) == [(1, other.number)]
                assert await count(database, "jobs") == 0
                await add_note(database, 2)
                await add_note(database, 3)
                await eventually(lambda: all_noted(database, 3), seconds=20)


async def test_a_worker_that_is_told_to_stop_finishes_what_is_in_hand(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        await add_note(database, 1, seconds=0.5)
        async with worker_process(empty_database_url) as worker:
            await worker.began(1)
            worker.send(signal.SIGTERM)
            await add_note(database, 2)
            assert await worker.process.wait() == 0
            assert await noted(database) == [(1, worker.number)]
            assert await count(database, "jobs") == 1


async def test_a_worker_that_is_told_to_stop_hands_back_what_takes_too_long(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        await add_note(database, 1, seconds=30)
        async with worker_process(empty_database_url, stop_seconds=0.2) as worker:
            await worker.began(1)
            worker.send(signal.SIGTERM)
            assert await worker.process.wait() == 0
        async with database.read() as session:
            left = (await session.execute(text("SELECT state, attempts FROM jobs"))).one()
        assert tuple(left) == ("ready", 0)
        assert await noted(database) == []
