"""The loop of a worker: claim in batches, work with no connection held, complete behind a fence.

What a job means is its task's affair.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta

import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy.exc import IntegrityError

from shared.kit.db import DATABASE_AWAY, Database, WriteSession
from shared.kit.jobs import queue
from shared.kit.jobs.liveness import Liveness
from shared.kit.jobs.queue import JOBS_CHANNEL, Job, JobLost
from shared.kit.jobs.table import CRASHES_UNTIL_SET_ASIDE, NEVER_GIVEN_UP
from shared.kit.telemetry import in_trace

_log = structlog.get_logger(__name__)
_DONE = Counter("tandem_jobs_total", "Jobs that ended an attempt", ["kind", "outcome"])
_SECONDS = Histogram("tandem_job_seconds", "Time from claim to completion", ["kind"])
_CRASHES = Counter("tandem_job_crashes_total", "Workers that ended during a job", ["kind"])

Completion = Callable[[WriteSession], Awaitable[None]]
POLL_SECONDS = 0.5
SWEEP_SECONDS = 1.0
LEASE_SECONDS = 30.0
STOP_SECONDS = 8.0
LONGEST_DELAY = 600.0

# What kills its worker again and again, and mustn't be given up, is tried as often as this.
SET_ASIDE_SECONDS = 600.0


class WorkersDied(RuntimeError):
    """So many workers ended while they worked on a job that it isn't begun once more."""


class Retry(Exception):
    """Raised by a task: try again, `after` seconds from now (None: the usual back-off).

    `counted=False` leaves the attempts as they are: waiting was not the job's fault.
    """

    def __init__(self, reason: str, *, after: float | None = None, counted: bool = True) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after = after
        self.counted = counted


class SetAside(Retry):
    """Raised by a task: not again by itself. The lane goes on, and `revive_jobs` brings it back."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, counted=False)


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
    With `every`, the worker keeps one such job, without payload and with its kind as dedupe key,
    going at that interval for ever.
    """

    kind: str
    work: Callable[[Job], Awaitable[Completion | None]]
    on_setback: Callable[[WriteSession, Job, Setback], Awaitable[None]] | None = None
    every: timedelta | None = None


def back_off(attempt: int) -> float:
    """Seconds before the next attempt: doubling from half a second, with jitter."""
    longest = min(LONGEST_DELAY, 0.5 * 2.0 ** min(attempt - 1, 20))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret


class Worker:
    """Works jobs of one database until it is told to stop.

    After `stop`, what is in hand has `stop_seconds` to finish; the rest is handed back.
    """

    def __init__(
        self,
        database: Database,
        *,
        tasks: Iterable[Task],
        concurrency: int = 16,
        lease_seconds: float = LEASE_SECONDS,
        stop_seconds: float = STOP_SECONDS,
    ) -> None:
        self._database = database
        self._tasks = {task.kind: task for task in tasks}
        self._concurrency = concurrency
        self._lease = lease_seconds
        self._stop_seconds = stop_seconds
        self._running: dict[asyncio.Task[None], int] = {}
        self._stopping = asyncio.Event()
        self._look_again = asyncio.Event()
        self._next_sweep = 0.0
        self._ensured = False
        # A job that has taken workers along is due, and ours to try once our hands are empty.
        self._suspect_due = False
        self._alone = False
        self.number = secrets.randbelow(2**31 - 1) + 1
        self._liveness = Liveness(
            database,
            number=self.number,
            lease_seconds=lease_seconds,
            in_hand=lambda: list(self._running.values()),
            on_held=self._look_again.set,
        )

    async def run(self) -> None:
        """Work until `stop`; then finish what is in hand."""
        alive = asyncio.create_task(self._liveness.run(), name="worker-liveness")
        try:
            async with self._database.context.hints.subscribe(JOBS_CHANNEL) as hint:
                while not self._stopping.is_set():
                    await self._round()
                    await self._wait(hint)
            if self._running:
                await asyncio.wait(self._running, timeout=self._stop_seconds)
        finally:
            await self._hand_back()
            alive.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await alive

    def stop(self) -> None:
        """Claim nothing more."""
        self._stopping.set()
        self._look_again.set()

    async def _wait(self, hint: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (hint, self._look_again)]
        await asyncio.wait(waits, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        hint.clear()
        self._look_again.clear()

    async def _hand_back(self) -> None:
        left = list(self._running)
        if not left:
            return
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        with contextlib.suppress(*DATABASE_AWAY):
            async with self._database.write() as session:
                await queue.hand_back(session, worker=self.number)

    async def _round(self) -> None:
        room = 0 if self._alone else self._concurrency - len(self._running)
        # Without the lock, others would take what we claim for lost.
        if room <= 0 or not self._liveness.held.is_set():
            return
        try:
            await self._sweep()
            jobs = await self._claim(room)
        except IntegrityError:
            # Another worker took a job of the same lane between our look and our claim.
            self._look_again.set()
            return
        except DATABASE_AWAY as error:
            _log.warning("worker.database_away", error=type(error).__name__)
            return
        for job in jobs:
            task = asyncio.create_task(self._run_job(job), name=f"job-{job.id}")
            self._running[task] = job.id
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self._alone = False
        self._look_again.set()

    async def _sweep(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._next_sweep:
            return
        self._next_sweep = now + SWEEP_SECONDS
        async with self._database.write() as session:
            in_hand = list(self._running.values())
            freed = await queue.free_lost(session, me=self.number, in_hand=in_hand)
            self._suspect_due = await queue.must_take_suspect(session, worker=self.number)
            if not self._ensured:
                for task in self._tasks.values():
                    if task.every is not None:
                        await queue.ensure_job(session, task.kind, dedupe_key=task.kind)
        self._ensured = True
        for kind, crashed in freed:
            if crashed:
                _CRASHES.labels(kind).inc()
        if freed:
            _log.warning("worker.jobs_freed", count=len(freed))

    async def _claim(self, room: int) -> list[Job]:
        if self._suspect_due and self._running:
            return []  # Nobody else's work shall go down with it.
        async with self._database.write() as session:
            if self._suspect_due:
                self._suspect_due = False
                suspect = await queue.claim_suspect(
                    session, worker=self.number, lease_seconds=self._lease
                )
                if suspect:
                    self._alone = True
                    return suspect
            return await queue.claim(
                session, worker=self.number, limit=room, lease_seconds=self._lease
            )

    async def _run_job(self, job: Job) -> None:
        with (
            in_trace(job.traceparent, name=f"job {job.kind}") as span,
            structlog.contextvars.bound_contextvars(job=job.id, kind=job.kind),
            _SECONDS.labels(job.kind).time(),
        ):
            span.note("tandem.job.id", job.id)
            span.note("tandem.job.attempt", job.attempt)
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
            raise LookupError(f"no task for jobs of kind {job.kind}")
        if job.attempt > job.max_attempts or job.crashes >= CRASHES_UNTIL_SET_ASIDE:
            raise WorkersDied(f"the workers of earlier attempts ended: {job.crashes} in a row")
        completion = await task.work(job)
        # A restart of the database drops all locks: ours is taken again before we record anything.
        await self._liveness.held.wait()
        async with self._database.write(tenant=job.tenant_id) as session:
            if completion is not None:
                await completion(session)
            if task.every is not None:
                again = session.clock.now() + task.every
                await queue.enqueue(
                    session, job.kind, payload={}, run_at=again, dedupe_key=job.kind
                )
            await queue.close(session, job)

    async def _set_back(self, job: Job, error: Exception) -> None:
        wish = error if isinstance(error, Retry) else None
        task = self._tasks.get(job.kind)
        kept = job.max_attempts >= NEVER_GIVEN_UP or (task is not None and task.every is not None)
        spent = job.attempt >= job.max_attempts or isinstance(error, WorkersDied)
        setback = Setback(
            reason=wish.reason if wish else f"{type(error).__name__}: {error}",
            dead=isinstance(error, SetAside) or (spent and not kept and (not wish or wish.counted)),
            error=error,
        )
        level = _log.info if wish else _log.exception
        level("job.set_back", reason=setback.reason, attempt=job.attempt, dead=setback.dead)
        _DONE.labels(job.kind, "dead" if setback.dead else "set_back").inc()
        try:
            await self._put_back(job, setback, task.on_setback if task else None)
        except JobLost:
            _log.warning("job.lost", attempt=job.attempt)
        except Exception:
            # The next sweep finds that nobody has it in hand, and frees it.
            _log.exception("job.set_back_failed", attempt=job.attempt)
            await asyncio.sleep(back_off(job.attempt))

    async def _put_back(
        self,
        job: Job,
        setback: Setback,
        on_setback: Callable[[WriteSession, Job, Setback], Awaitable[None]] | None,
    ) -> None:
        wish = setback.error if isinstance(setback.error, Retry) else None
        delay = wish.after if wish and wish.after is not None else back_off(job.attempt)
        died = isinstance(setback.error, WorkersDied)
        async with self._database.write(tenant=job.tenant_id) as session:
            if on_setback is not None:
                await on_setback(session, job, setback)
            await queue.set_back(
                session,
                job,
                error=setback.reason,
                run_at=session.clock.now()
                + timedelta(seconds=SET_ASIDE_SECONDS if died else delay),
                # One more try alone, each time.
                crashes=CRASHES_UNTIL_SET_ASIDE - 1 if died else 0,
                dead=setback.dead,
                counted=wish.counted if wish else True,
            )
