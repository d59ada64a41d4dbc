"""The queue itself: transactions, lanes, priorities, keys, cancelling, reviving."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from shared.kit.db import Database, WriteSession
from shared.kit.jobs import Job, JobLost, cancel_jobs, enqueue, revive_jobs
from shared.kit.jobs.queue import claim, close, free_lost, set_back
from shared.kit.jobs.table import URGENT
from tests.kit.stage import START, ManualClock, count, open_database, stage, states, write_diary

NOTE = {"number": 1}


async def take(database: Database, *, worker: int = 1, limit: int = 10) -> list[Job]:
    async with database.write() as session:
        jobs = await claim(session, worker=worker, limit=limit, lease_seconds=30)
    return sorted(jobs, key=lambda job: job.id)


async def add(session: WriteSession, *, lane: UUID | None = None, priority: int = 100) -> int:
    return await enqueue(session, "note", payload=NOTE, lane=lane, priority=priority)


async def add_and_crash(database: Database) -> None:
    async with database.write() as session:
        await write_diary(session, lane=None, number=1, worker=0)
        await add(session)
        raise ZeroDivisionError


async def end(database: Database, job: Job, *, badly: bool) -> None:
    """Write the diary and end the job, in one transaction."""
    async with database.write() as session:
        await write_diary(session, lane=None, number=1, worker=7)
        if badly:
            await set_back(session, job, error="broken", run_at=START)
        else:
            await close(session, job)


async def test_a_rollback_leaves_neither_row_nor_job(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        with pytest.raises(ZeroDivisionError):
            await add_and_crash(database)
        assert await count(database, "diary") == 0
        assert await count(database, "jobs") == 0


async def test_only_the_first_of_a_lane_is_claimed(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        async with database.write() as session:
            lane = uuid4()
            first = await add(session, lane=lane)
            second = await add(session, lane=lane)
            other = await add(session, lane=uuid4())
            free = await add(session)
        jobs = await take(database)
        assert [job.id for job in jobs] == [first, other, free]
        assert await take(database, worker=2) == []
        async with database.write() as session:
            await close(session, jobs[0])
        assert [job.id for job in await take(database, worker=2)] == [second]


async def test_the_urgent_goes_before_what_is_queued_but_waits_for_what_runs(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        lane = uuid4()
        async with database.write() as session:
            await add(session, lane=lane)
            queued = await add(session, lane=lane)
        [running] = await take(database)
        async with database.write() as session:
            urgent = await add(session, lane=lane, priority=URGENT)
        assert await take(database) == []
        async with database.write() as session:
            await close(session, running)
        [second] = await take(database)
        assert second.id == urgent
        async with database.write() as session:
            await close(session, second)
        assert [job.id for job in await take(database)] == [queued]


async def test_the_urgent_is_claimed_before_the_backlog_of_other_lanes(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        async with database.write() as session:
            for _ in range(20):
                await add(session, lane=uuid4())
            urgent = await add(session, lane=uuid4(), priority=URGENT)
        assert [job.id for job in await take(database, limit=1)] == [urgent]
        assert len(await take(database, limit=3)) == 3


async def test_two_claims_at_once_never_share_a_lane(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        lane = uuid4()
        async with database.write() as session:
            await add(session, lane=lane)
        async with database.write() as slow:
            assert len(await claim(slow, worker=1, limit=5, lease_seconds=30)) == 1
            async with database.write() as session:
                await add(session, lane=lane, priority=URGENT)
            # The other sees an urgent job at the head, and no running one yet: the index decides.
            async with database.write() as session:
                await session.execute(text("SET LOCAL lock_timeout = '200ms'"))
                with pytest.raises(Exception, match="lock timeout"):
                    await claim(session, worker=2, limit=5, lease_seconds=30)
        assert await take(database, worker=2) == []


async def test_a_job_of_the_future_waits_for_its_time_by_the_clock(empty_database_url: str) -> None:
    clock = ManualClock()
    async with stage(empty_database_url, clock=clock) as database:
        async with database.write() as session:
            await enqueue(session, "note", payload=NOTE, run_at=START + timedelta(days=30))
        assert await take(database) == []
        clock.advance(timedelta(days=29, hours=23))
        assert await take(database) == []
        clock.advance(timedelta(hours=1))
        assert len(await take(database)) == 1


async def test_the_same_key_moves_the_time_and_never_makes_a_second_job(
    empty_database_url: str,
) -> None:
    clock = ManualClock()
    async with stage(empty_database_url, clock=clock) as database:
        ids = []
        for days in (10, 3):
            async with database.write() as session:
                at = START + timedelta(days=days)
                payload = {"number": days}
                ids.append(
                    await enqueue(session, "note", payload=payload, run_at=at, dedupe_key="k")
                )
        assert ids[0] == ids[1]
        clock.advance(timedelta(days=3))
        [job] = await take(database)
        assert job.payload == {"number": 3}


async def test_the_same_key_while_the_job_runs_makes_it_run_once_more(
    empty_database_url: str,
) -> None:
    clock = ManualClock()
    async with stage(empty_database_url, clock=clock) as database:
        async with database.write() as session:
            await enqueue(session, "note", payload=NOTE, dedupe_key="k")
        [job] = await take(database)
        for _ in range(2):
            async with database.write() as session:
                at = START + timedelta(hours=1)
                await enqueue(session, "note", payload={"number": 2}, run_at=at, dedupe_key="k")
        async with database.write() as session:
            await close(session, job)
        assert await take(database) == []
        clock.advance(timedelta(hours=1))
        [again] = await take(database)
        assert (again.id, again.attempt, again.payload) == (job.id, 1, {"number": 2})
        async with database.write() as session:
            await close(session, again)
        assert await count(database, "jobs") == 0


async def test_what_was_asked_for_while_it_ran_is_not_lost_when_it_fails_for_good(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        async with database.write() as session:
            await enqueue(session, "note", payload=NOTE, dedupe_key="k", max_attempts=1)
        [job] = await take(database)
        async with database.write() as session:
            await enqueue(session, "note", payload={"number": 2}, dedupe_key="k")
        async with database.write() as session:
            later = START + timedelta(hours=9)
            await set_back(session, job, error="broken", run_at=later, dead=True)
        [again] = await take(database)
        assert (again.attempt, again.payload) == (1, {"number": 2})


async def test_a_dead_job_frees_its_lane_and_can_be_revived(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        lane = uuid4()
        async with database.write() as session:
            await add(session, lane=lane)
            second = await add(session, lane=lane)
        [job] = await take(database)
        async with database.write() as session:
            await set_back(session, job, error="broken", run_at=START, dead=True)
        [next_one] = await take(database)
        assert next_one.id == second
        async with database.write() as session:
            assert await revive_jobs(session, ids=[job.id, second]) == [job.id]
        assert await take(database) == []
        async with database.write() as session:
            await close(session, next_one)
        [revived] = await take(database)
        assert (revived.id, revived.attempt, revived.claim) == (job.id, 1, 2)


async def test_cancelling_removes_the_queued_and_disarms_the_running(
    empty_database_url: str,
) -> None:
    async with stage(empty_database_url) as database:
        async with database.write() as session:
            await enqueue(session, "note", payload=NOTE, dedupe_key="running")
        [running] = await take(database)
        async with database.write() as session:
            await enqueue(session, "note", payload=NOTE, dedupe_key="running")
            queued = await enqueue(session, "note", payload=NOTE, dedupe_key="queued")
            kept = await add(session)
        async with database.write() as session:
            assert await cancel_jobs(session, dedupe_key="queued") == [queued]
            assert await cancel_jobs(session, ids=[running.id]) == []
        async with database.read() as session:
            assert await states(session) == ["running", "ready"]
        async with database.write() as session:
            await close(session, running)
        assert [job.id for job in await take(database)] == [kept]


async def test_nothing_is_recorded_under_a_claim_that_is_over(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        async with database.write() as session:
            await enqueue(session, "note", payload=NOTE, dedupe_key="k")
        [old] = await take(database, worker=7)
        async with database.write() as session:
            assert await free_lost(session, me=8, in_hand=[]) == [("note", True)]
            # This gives it all its attempts again: the attempt's number alone would be no fence.
            await enqueue(session, "note", payload=NOTE, dedupe_key="k")
        [new] = await take(database, worker=7)
        assert (new.attempt, new.worker) == (old.attempt, old.worker)
        for badly in (True, False):
            with pytest.raises(JobLost):
                await end(database, old, badly=badly)
        assert await count(database, "diary") == 0
        async with database.write() as session:
            await close(session, new)


async def test_hints_cross_processes_and_find_their_channel(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        other = open_database(empty_database_url)
        await other.context.hints.start()
        async with (
            other.context.hints.subscribe("jobs") as jobs,
            other.context.hints.subscribe("events", "b") as elsewhere,
        ):
            await jobs_listening(other)
            jobs.clear()
            elsewhere.clear()
            async with database.write() as session:
                await add(session)
                session.hint("events", "a")
            await asyncio.wait_for(jobs.wait(), timeout=5)
            assert not elsewhere.is_set()
        await other.context.hints.aclose()
        await other.aclose()


async def test_a_listener_whose_connection_was_cut_hears_again(empty_database_url: str) -> None:
    async with stage(empty_database_url) as database:
        other = open_database(empty_database_url)
        await other.context.hints.start()
        await jobs_listening(other)
        async with (
            database.context.hints.subscribe("back") as sender,
            other.context.hints.subscribe("back") as listener,
        ):
            async with database.write() as session:
                others = "datname = current_database() AND pid <> pg_backend_pid()"
                cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"  # noqa: S608
                assert len((await session.execute(text(cut))).all()) >= 2
            # It has sent nothing meanwhile, and yet notices: once back, it wakes everybody.
            for event in (sender, listener):
                await asyncio.wait_for(event.wait(), timeout=5)
        async with other.context.hints.subscribe("events", "a") as hint:
            async with database.write() as session:
                session.hint("events", "a")
            await asyncio.wait_for(hint.wait(), timeout=5)
        await other.context.hints.aclose()
        await other.aclose()


async def jobs_listening(database: Database) -> None:
    """Wait until its hints are connected: then it wakes everybody once."""
    async with database.context.hints.subscribe("never") as event:
        await asyncio.wait_for(event.wait(), timeout=5)
