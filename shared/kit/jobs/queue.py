"""What is done with jobs: enqueue, cancel, revive, claim, free, close, set back.

Times of business come from the session's clock; who works, and when, is the worker's affair.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from shared.kit.db import ReadSession, WriteSession
from shared.kit.jobs import statements
from shared.kit.jobs.table import NORMAL
from shared.kit.telemetry import current_trace

JOBS_CHANNEL = "jobs"
LOCK_CLASS = 0x7A6D
DEFAULT_MAX_ATTEMPTS = 12


class JobLost(Exception):
    """Somebody else took this job over: whatever was done for it must not be recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed job. `attempt` counts from 1.

    `claim` counts every claim and never goes back; with the worker, it fences the completion.
    `crashes` counts the workers that ended or froze while they worked on it.
    """

    id: int
    kind: str
    lane: UUID | None
    tenant_id: UUID | None
    payload: dict[str, Any]
    attempt: int
    claim: int
    max_attempts: int
    worker: int
    traceparent: str | None
    crashes: int = 0


async def enqueue(
    session: WriteSession,
    kind: str,
    *,
    payload: Mapping[str, Any],
    lane: UUID | None = None,
    tenant_id: UUID | None = None,
    run_at: datetime | None = None,
    dedupe_key: str | None = None,
    priority: int = NORMAL,
    max_attempts: int = DEFAULT_MAX_ATTEMPTS,
    traceparent: str | None = None,
) -> int:
    """Add a job to this transaction; its id.

    With `dedupe_key` there is one job at a time: a second call moves its time. A job that is being
    worked on runs once more afterwards. Lock the lane's owner before, so that ids commit in order.
    A job holds up the later ones of its lane, also while its `run_at` lies ahead: give schedules
    no lane, and let them enqueue the work when their time has come.
    It belongs to the trace that we are in, or to `traceparent`'s; a schedule begins one of its own,
    or the trail of an order would go on with every renewal.
    """
    now = session.clock.now()
    scheduled = run_at is not None and run_at > now
    if traceparent is None and not scheduled:
        traceparent = current_trace().header()
    row = await session.execute(
        statements.ENQUEUE,
        {
            "kind": kind,
            "lane": lane,
            "priority": priority,
            "tenant_id": tenant_id,
            "payload": json.dumps(dict(payload), default=str),
            "dedupe_key": dedupe_key,
            "run_at": run_at or now,
            "max_attempts": max_attempts,
            "traceparent": traceparent,
            "created_at": now,
        },
    )
    if not scheduled:
        session.hint(JOBS_CHANNEL)
    return int(row.scalar_one())


async def ensure_job(session: WriteSession, kind: str, *, dedupe_key: str) -> None:
    """Add a job without payload that is due now, unless there is one under this key."""
    values = {
        "kind": kind,
        "dedupe_key": dedupe_key,
        "priority": NORMAL,
        "run_at": session.clock.now(),
        "max_attempts": DEFAULT_MAX_ATTEMPTS,
    }
    await session.execute(statements.ENSURE, values)


async def cancel_jobs(
    session: WriteSession, *, dedupe_key: str | None = None, ids: Sequence[int] = ()
) -> list[int]:
    """Remove jobs that nobody is working on; the ids of those removed.

    One that is being worked on goes on, but isn't run again afterwards.
    """
    rows = await session.execute(statements.CANCEL, {"dedupe_key": dedupe_key, "ids": list(ids)})
    removed = [int(row) for row in rows.scalars()]
    if removed:
        session.hint(JOBS_CHANNEL)  # the next of the lane is free
    return removed


async def revive_jobs(
    session: WriteSession, *, dedupe_key: str | None = None, ids: Sequence[int] = ()
) -> list[int]:
    """Give dead and waiting jobs all their attempts again, from now on; the ids of those."""
    values = {"dedupe_key": dedupe_key, "ids": list(ids), "run_at": session.clock.now()}
    rows = await session.execute(statements.REVIVE, values)
    session.hint(JOBS_CHANNEL)
    return [int(row) for row in rows.scalars()]


async def claim(
    session: WriteSession, *, worker: int, limit: int, lease_seconds: float
) -> list[Job]:
    """Claim due jobs, the first of each lane only; urgent ones first."""
    values = {"now": session.clock.now(), "limit": limit, "worker": worker, "lease": lease_seconds}
    return [_job(row) for row in await session.execute(statements.CLAIM, values)]


async def must_take_suspect(session: ReadSession, *, worker: int) -> bool:
    """Whether a job is due that has taken workers along, and it is this worker's turn to try it."""
    values = {"now": session.clock.now(), "me": worker, "lock_class": LOCK_CLASS}
    return bool(await session.scalar(statements.MUST_TAKE_SUSPECT, values))


async def claim_suspect(session: WriteSession, *, worker: int, lease_seconds: float) -> list[Job]:
    """Claim one job that has taken workers along; it must be worked on alone."""
    values = {"now": session.clock.now(), "worker": worker, "lease": lease_seconds}
    return [_job(row) for row in await session.execute(statements.CLAIM_SUSPECT, values)]


def _job(row: Row[Any]) -> Job:
    return Job(
        id=row.id,
        kind=row.kind,
        lane=row.lane,
        tenant_id=row.tenant_id,
        payload=row.payload if isinstance(row.payload, dict) else json.loads(row.payload),
        attempt=row.attempts,
        claim=row.claims,
        max_attempts=row.max_attempts,
        worker=row.worker,
        traceparent=row.traceparent,
        crashes=row.crashes,
    )


async def free_lost(
    session: WriteSession, *, me: int, in_hand: Sequence[int]
) -> list[tuple[str, bool]]:
    """Give back jobs that nobody works on any more; the kind of each, and whether it is a crash.

    Those of dead workers, those whose lease is over, and those that `me` claimed but could neither
    close nor set back (all that aren't `in_hand`), which is no crash.
    """
    values = {
        "lock_class": LOCK_CLASS,
        "me": me,
        "in_hand": list(in_hand),
        "now": session.clock.now(),
    }
    rows = await session.execute(statements.FREE, values)
    return [(row.kind, row.crashed) for row in rows]


async def close(session: WriteSession, job: Job) -> None:
    """Remove a job that is done, as the last step of its transaction. Raises JobLost."""
    found = await session.scalar(statements.CLOSE, _fence(job))
    if found != 1:
        raise JobLost(job.kind, job.id)


async def set_back(
    session: WriteSession,
    job: Job,
    *,
    error: str,
    run_at: datetime,
    dead: bool = False,
    counted: bool = True,
    crashes: int = 0,
) -> None:
    """Put a job back for another attempt, or among the dead. Raises JobLost.

    Its worker has survived it, so that its `crashes` are forgotten, unless they are given.
    """
    values = {
        **_fence(job),
        "dead": dead,
        "run_at": run_at,
        "error": error.replace("\0", "")[:2000],
        "uncounted": 0 if counted else 1,
        "crashes": crashes,
    }
    if (await session.execute(statements.SET_BACK, values)).first() is None:
        raise JobLost(job.kind, job.id)


async def hand_back(session: WriteSession, *, worker: int) -> None:
    """Give back all that this worker holds, as if it had never been claimed."""
    await session.execute(statements.HAND_BACK, {"worker": worker})
    session.hint(JOBS_CHANNEL)


def _fence(job: Job) -> dict[str, int]:
    return {"id": job.id, "worker": job.worker, "claim": job.claim}


async def is_mine(session: ReadSession, job: Job) -> bool:
    """Whether this job is still held by who claimed it; no lock is taken."""
    return bool(await session.scalar(statements.IS_MINE, _fence(job)))
