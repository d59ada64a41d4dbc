"""The worker's loop: attempts, back-off, setbacks, a database that drops it, recurring tasks."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from shared.kit.db import Database, WriteSession
from shared.kit.hints import Hints
from shared.kit.jobs import Completion, Job, Retry, Setback, Task, Worker, enqueue
from shared.kit.jobs.worker import POLL_SECONDS, back_off
from tests.kit.stage import ManualClock, count, eventually, stage, write_diary


@asynccontextmanager
async def working(database: Database, *tasks: Task, lease: float = 30) -> AsyncIterator[Worker]:
    worker = Worker(database, tasks=tasks, lease_seconds=lease)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await running


async def add(database: Database, *, lane: UUID | None = None, max_attempts: int = 12) -> int:
    async with database.write() as session:
        payload = {"number": 1}
        return await enqueue(session, "note", payload=payload, lane=lane, max_attempts=max_attempts)


def recording(job: Job) -> Completion:
    async def record(session: WriteSession) -> None:
        await write_diary(session, lane=job.lane, number=job.attempt, worker=job.worker)

    return record


def is_empty(database: Database) -> Callable[[], Awaitable[bool]]:
    async def check() -> bool:
        return await count(database, "jobs") == 0

    return check


async def state_of(database: Database, job_id: int) -> str:
    async with database.read() as session:
        statement = text("SELECT state || ' ' || attempts FROM jobs WHERE id = :id")
        return str(await session.scalar(statement, {"id": job_id}))


async def test_a_failed_job_waits_its_back_off_and_goes_again(empty_database_url: str) -> None:
    clock = ManualClock()
    tried: list[int] = []

    async def work(job: Job) -> Completion:
        tried.append(job.attempt)
        if job.attempt == 1:
            raise ConnectionError("the platform is away")
        return recording(job)

    async with stage(empty_database_url, clock=clock) as database:
        async with working(database, Task(kind="note", work=work)):
            job_id = await add(database, lane=uuid4())

            async def set_back() -> bool:
                return tried == [1] and await state_of(database, job_id) == "ready 1"

            await eventually(set_back)
            await asyncio.sleep(POLL_SECONDS)
            assert tried == [1]
            clock.advance(timedelta(seconds=1))
            await eventually(is_empty(database))
        assert tried == [1, 2]
        assert await count(database, "diary") == 1


def test_the_back_off_doubles_up_to_ten_minutes() -> None:
    assert 0.25 <= back_off(1) <= 0.5
    assert 2 <= back_off(4) <= 4
    assert 300 <= back_off(40) <= 600
    assert 300 <= back_off(10**6) <= 600


async def test_attempts_used_up_make_it_dead_and_say_so_in_the_same_transaction(
    empty_database_url: str,
) -> None:
    async def work(_job: Job) -> None:
        raise Retry("no luck", after=0)

    async def on_setback(session: WriteSession, job: Job, setback: Setback) -> None:
        assert setback.reason == "no luck"
        await write_diary(session, lane=None, number=int(setback.dead), worker=job.attempt)

    async with stage(empty_database_url) as database:
        task = Task(kind="note", work=work, on_setback=on_setback)
        async with working(database, task):
            job_id = await add(database, max_attempts=2)

            async def dead() -> bool:
                return await state_of(database, job_id) == "dead 2"

            await eventually(dead)
        async with database.read() as session:
            rows = await session.execute(text("SELECT number, worker FROM diary ORDER BY id"))
            assert [tuple(row) for row in rows] == [(0, 1), (1, 2)]


async def test_waiting_that_does_not_count_never_kills_a_job(empty_database_url: str) -> None:
    tries = 0

    async def work(job: Job) -> Completion:
        nonlocal tries
        tries += 1
        if tries < 5:
            raise Retry("not yet", after=0, counted=False)
        return recording(job)

    async with stage(empty_database_url) as database:
        async with working(database, Task(kind="note", work=work)):
            await add(database, max_attempts=1)
            await eventually(is_empty(database))
        assert tries == 5
        assert await count(database, "diary") == 1


async def test_a_completion_that_fails_leaves_nothing_and_is_tried_again(
    empty_database_url: str,
) -> None:
    clock = ManualClock()

    async def work(job: Job) -> Completion:
        async def record(session: WriteSession) -> None:
            await write_diary(session, lane=None, number=job.attempt, worker=1)
            if job.attempt == 1:
                raise ZeroDivisionError

        return record

    async with stage(empty_database_url, clock=clock) as database:
        async with working(database, Task(kind="note", work=work)):
            job_id = await add(database)

            async def set_back() -> bool:
                return await state_of(database, job_id) == "ready 1"

            await eventually(set_back)
            clock.advance(timedelta(seconds=5))
            await eventually(is_empty(database))
        async with database.read() as session:
            assert (await session.scalars(text("SELECT number FROM diary"))).all() == [2]


async def test_a_setback_that_can_not_be_recorded_loses_no_job(empty_database_url: str) -> None:
    async def work(job: Job) -> Completion:
        if job.attempt == 1:
            raise Retry("no luck", after=0)
        return recording(job)

    async def broken(_session: WriteSession, _job: Job, _setback: Setback) -> None:
        raise KeyError("a bug")

    async with stage(empty_database_url) as database:
        async with working(database, Task(kind="note", work=work, on_setback=broken)):
            await add(database)
            await eventually(is_empty(database))
        assert await count(database, "diary") == 1


async def test_a_job_that_nobody_knows_dies_and_frees_its_lane(empty_database_url: str) -> None:
    async def work(job: Job) -> Completion:
        return recording(job)

    async with stage(empty_database_url) as database:
        lane = uuid4()
        async with database.write() as session:
            unknown = await enqueue(session, "mystery", payload={}, lane=lane, max_attempts=1)
        await add(database, lane=lane)
        async with working(database, Task(kind="note", work=work)):

            async def noted() -> bool:
                return await count(database, "diary") == 1

            await eventually(noted)
        assert await state_of(database, unknown) == "dead 1"


async def test_a_database_that_drops_every_connection_loses_and_doubles_nothing(
    empty_database_url: str,
) -> None:
    began = asyncio.Event()

    async def work(job: Job) -> Completion:
        began.set()
        await asyncio.sleep(0.1 * (job.id % 4))
        return recording(job)

    async with stage(empty_database_url, clock=ManualClock()) as database:
        async with working(database, Task(kind="note", work=work)) as worker:
            for _ in range(24):
                await add(database, lane=uuid4())
            await asyncio.wait_for(began.wait(), timeout=5)
            async with database.write() as session:
                statement = (
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "
                )
                others = f"{statement} current_database() AND pid <> pg_backend_pid()"
                assert len((await session.execute(text(others))).all()) >= 2
            assert isinstance(database.context.clock, ManualClock)
            clock = database.context.clock

            async def all_done() -> bool:
                clock.advance(timedelta(seconds=1))
                return await count(database, "jobs") == 0

            took = await eventually(all_done, seconds=20)
            assert took < 10
            assert worker._liveness.held.is_set()
        assert await count(database, "diary") == 24


async def test_a_lost_hint_costs_no_more_than_the_poll(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(job: Job) -> Completion:
        return recording(job)

    async with (
        stage(empty_database_url) as database,
        working(database, Task(kind="note", work=work)),
    ):
        await add(database)
        await eventually(is_empty(database))
        monkeypatch.setattr(Hints, "send", lambda *_arguments: None)
        await add(database)
        assert await eventually(is_empty(database)) < POLL_SECONDS + 0.5


async def test_a_recurring_task_begins_by_itself_and_goes_on_for_ever(
    empty_database_url: str,
) -> None:
    clock = ManualClock()

    async def work(job: Job) -> Completion:
        if await count(database, "diary") == 1 and job.attempt < 4:
            raise Retry("even when it fails", after=0)
        return recording(job)

    async with stage(empty_database_url, clock=clock) as database:
        task = Task(kind="tidy", work=work, every=timedelta(hours=1))

        async def once_more(times: int) -> None:
            async def noted() -> bool:
                return await count(database, "diary") == times

            await eventually(noted)

        for restart in range(2):
            async with working(database, task):
                await once_more(restart + 1)
                await asyncio.sleep(POLL_SECONDS)
                assert await count(database, "diary") == restart + 1
            clock.advance(timedelta(hours=1))
        assert await count(database, "jobs") == 1
