"""The loop of a worker: claim in batches, work with no connection held, complete behind a fence.

Holds an advisory lock on a connection of its own, so that its death is seen at once.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared.kit.db import Database, WriteSession
from shared.kit.jobs import queue
from shared.kit.jobs.queue import JOBS_CHANNEL, LOCK_CLASS, Job, JobLost
from shared.kit.telemetry import in_trace

_log = structlog.get_logger(__name__)
_DONE = Counter("tandem_jobs_total", "Jobs that ended an attempt", ["kind", "outcome"])
_SECONDS = Histogram("tandem_job_seconds", "Time from claim to completion", ["kind"])

Completion = Callable[[WriteSession], Awaitable[None]]
POLL_SECONDS = 0.5
LEASE_SECONDS = 30.0
HEARTBEAT_SECONDS = 2.0
LONGEST_DELAY = 600.0


class Retry(Exception):  # noqa: N818 - says what shall happen, not what went wrong
    """Raised by a task: try again, `after` seconds from now (None: the usual back-off).

    `counted=False` leaves the attempts as they are: waiting was not the job's fault.
    """

    def __init__(self, reason: str, *, after: float | None = None, counted: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.counted = counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Setback:
    """An attempt that came to nothing. `dead` means that no other follows by itself."""

    reason: str
    dead: bool
    error: Exception


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What to do for one kind of job.

    `work` runs with no transaction open and returns what to record; that runs in one transaction
    with the removal of the job. `on_setback` runs in the transaction that puts the job back.
    """

    kind: str
    work: Callable[[Job], Awaitable[Completion | None]]
    on_setback: Callable[[WriteSession, Job, Setback], Awaitable[None]] | None = None


def back_off(attempt: int) -> float:
    """Seconds before the next attempt: doubling from half a second, with jitter."""
    longest = min(LONGEST_DELAY, 0.5 * 2 ** min(attempt - 1, 20))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


class Worker:
    """Works jobs of one database until it is told to stop."""

    def __init__(
        self,
        database: Database,
        *,
        tasks: Iterable[Task],
        concurrency: int = 16,
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        self._database = database
        self._tasks = {task.kind: task for task in tasks}
        self._concurrency = concurrency
        self._lease = lease_seconds
        self._running: dict[int, asyncio.Task[None]] = {}
        self._stopping = asyncio.Event()
        self._slot_free = asyncio.Event()
        self._locked = asyncio.Event()
        self.number = secrets.randbelow(2**31 - 1) + 1

    async def run(self) -> None:
        """Work until `stop`; then finish what is in hand."""
        alive = asyncio.create_task(self._stay_alive(), name="worker-liveness")
        try:
            async with self._database.context.hints.subscribe(JOBS_CHANNEL) as hint:
                while not self._stopping.is_set():
                    await self._round()
                    await self._wait(hint)
            if self._running:
                await asyncio.wait(self._running.values(), timeout=self._lease)
        finally:
            for task in self._running.values():
                task.cancel()
            alive.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await alive

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self._slot_free.set()

    async def _wait(self, hint: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (hint, self._slot_free)]
        await asyncio.wait(waits, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        hint.clear()
        self._slot_free.clear()

    async def _round(self) -> None:
        room = self._concurrency - len(self._running)
        # Without the lock, others would take what we claim for lost.
        if room <= 0 or not self._locked.is_set():
            return
        try:
            jobs = await self._claim(room)
        except IntegrityError:
            # Another worker took a job of the same lane between our look and our claim.
            self._slot_free.set()
            return
        except (DBAPIError, OSError) as error:
            _log.warning("worker.database_away", error=type(error).__name__)
            return
        for job in jobs:
            task = asyncio.create_task(self._run_job(job), name=f"job-{job.id}")
            self._running[job.id] = task
            task.add_done_callback(lambda _done, job_id=job.id: self._finished(job_id))  # type: ignore[misc]

    def _finished(self, job_id: int) -> None:
        self._running.pop(job_id, None)
        self._slot_free.set()

    async def _claim(self, room: int) -> list[Job]:
        async with self._database.write() as session:
            await queue.free_lost(session)
            return await queue.claim(
                session, worker=self.number, limit=room, lease_seconds=self._lease
            )

    async def _run_job(self, job: Job) -> None:
        with (
            in_trace(job.traceparent),
            structlog.contextvars.bound_contextvars(job=job.id, kind=job.kind),
            _SECONDS.labels(job.kind).time(),
        ):
            try:
                await self._attempt(job)
                _DONE.labels(job.kind, "done").inc()
            except JobLost:
                _log.warning("job.lost", attempt=job.attempt)
                _DONE.labels(job.kind, "lost").inc()
            except Exception as error:
                # The edge of the loop: whatever a task raises, its job must not be lost.
                await self._set_back(job, error)

    async def _attempt(self, job: Job) -> None:
        task = self._tasks.get(job.kind)
        if task is None:
            message = f"no task for jobs of kind {job.kind}"
            raise LookupError(message)
        if job.attempt > job.max_attempts:
            message = "the workers of earlier attempts died"
            raise RuntimeError(message)
        completion = await task.work(job)
        # A restart of the database drops all locks: ours is taken again before we record anything.
        await self._locked.wait()
        async with self._database.write(tenant=job.tenant_id) as session:
            if completion is not None:
                await completion(session)
            await queue.close(session, job)

    async def _set_back(self, job: Job, error: Exception) -> None:
        wish = error if isinstance(error, Retry) else None
        reason = wish.reason if wish else f"{type(error).__name__}: {error}"
        counted = wish.counted if wish else True
        dead = counted and job.attempt >= job.max_attempts
        delay = wish.after if wish and wish.after is not None else back_off(job.attempt)
        level = _log.info if wish else _log.exception
        level("job.set_back", reason=reason, attempt=job.attempt, dead=dead)
        _DONE.labels(job.kind, "dead" if dead else "set_back").inc()
        task = self._tasks.get(job.kind)
        try:
            async with self._database.write(tenant=job.tenant_id) as session:
                if task is not None and task.on_setback is not None:
                    setback = Setback(reason=reason, dead=dead, error=error)
                    await task.on_setback(session, job, setback)
                await queue.set_back(
                    session,
                    job,
                    error=reason,
                    run_at=session.clock.now() + timedelta(seconds=delay),
                    dead=dead,
                    counted=counted,
                )
        except JobLost:
            _log.warning("job.lost", attempt=job.attempt)
        except (DBAPIError, OSError) as failure:
            # The lease runs out and the job is claimed again.
            _log.warning("job.set_back_failed", error=type(failure).__name__)

    async def _stay_alive(self) -> None:
        while True:
            try:
                await self._hold_lock()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                self._locked.clear()
                _log.warning("worker.liveness_lost", error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)

    async def _hold_lock(self) -> None:
        connection = await asyncpg.connect(**self._database.connect_arguments())
        try:
            await connection.execute("SELECT pg_advisory_lock($1, $2)", LOCK_CLASS, self.number)
            self._locked.set()
            self._slot_free.set()
            while True:
                await connection.execute(
                    "INSERT INTO workers (worker, started_at, seen_at) "
                    "VALUES ($1, clock_timestamp(), clock_timestamp()) "
                    "ON CONFLICT (worker) DO UPDATE SET seen_at = clock_timestamp()",
                    self.number,
                    timeout=5,
                )
                await connection.execute(
                    "UPDATE jobs SET lease_until = clock_timestamp() + $2 * interval '1 second' "
                    "WHERE worker = $1 AND state = 'running' AND id = any($3::bigint[])",
                    self.number,
                    self._lease,
                    list(self._running),
                    timeout=5,
                )
                await asyncio.sleep(min(HEARTBEAT_SECONDS, self._lease / 3))
        finally:
            connection.terminate()
