"""The statements on the table `jobs`: enqueue, cancel, claim, free, close.

Business time (`run_at`) comes from the injected clock, leases from the database's own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.kit.db import WriteSession
from shared.kit.jobs.table import NORMAL
from shared.kit.telemetry import current_trace

JOBS_CHANNEL = "jobs"
LOCK_CLASS = 0x7A6D
DEFAULT_MAX_ATTEMPTS = 12


class JobLost(Exception):  # noqa: N818 - a fact about the job, said by its holder
    """Somebody else took this job over: whatever was done for it must not be recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A claimed job. `attempt` counts from 1 and, with the worker, fences the completion."""

    id: int
    kind: str
    lane: UUID | None
    tenant_id: UUID | None
    payload: dict[str, Any]
    attempt: int
    max_attempts: int
    worker: int
    traceparent: str | None


_ENQUEUE = text("""
INSERT INTO jobs AS j (kind, lane, priority, tenant_id, payload, dedupe_key, state, run_at,
                       attempts, max_attempts, traceparent, created_at)
VALUES (:kind, :lane, :priority, :tenant_id, cast(:payload AS jsonb), :dedupe_key, 'ready',
        :run_at, 0, :max_attempts, :traceparent, :created_at)
ON CONFLICT (dedupe_key) DO UPDATE SET
    payload = excluded.payload,
    traceparent = excluded.traceparent,
    run_at = CASE WHEN j.state = 'running' THEN j.run_at ELSE excluded.run_at END,
    again_at = CASE WHEN j.state = 'running' THEN excluded.run_at END,
    state = CASE WHEN j.state = 'dead' THEN 'ready' ELSE j.state END,
    attempts = CASE WHEN j.state = 'running' THEN j.attempts ELSE 0 END
RETURNING id
""")

_CANCEL = text("""
DELETE FROM jobs
WHERE state <> 'running' AND (dedupe_key = :dedupe_key OR id = any(cast(:ids AS bigint[])))
RETURNING id
""")

_CLAIM = text("""
WITH due AS (
    SELECT j.id FROM jobs j
    WHERE j.state = 'ready' AND j.run_at <= :now
      AND (j.lane IS NULL OR NOT EXISTS (
        SELECT FROM jobs o
        WHERE o.lane = j.lane AND o.id <> j.id
          AND (o.state = 'running'
               OR (o.state = 'ready' AND (o.priority, o.id) < (j.priority, j.id)))))
    ORDER BY j.run_at, j.id
    LIMIT :limit
    FOR UPDATE OF j SKIP LOCKED
)
UPDATE jobs SET state = 'running', worker = :worker, attempts = jobs.attempts + 1,
    lease_until = clock_timestamp() + :lease * interval '1 second'
FROM due WHERE jobs.id = due.id
RETURNING jobs.id, kind, lane, tenant_id, payload, attempts, max_attempts, worker, traceparent
""")

_FREE = text("""
WITH lost AS (
    SELECT id FROM jobs
    WHERE state = 'running' AND (lease_until < clock_timestamp() OR NOT EXISTS (
        SELECT FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
          AND l.classid = cast(:lock_class AS integer)::oid AND l.objid = jobs.worker::oid
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())))
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET state = 'ready', worker = NULL, lease_until = NULL
FROM lost WHERE jobs.id = lost.id
RETURNING jobs.id
""")

_CLOSE = text("""
WITH mine AS (
    SELECT id, again_at FROM jobs
    WHERE id = :id AND worker = :worker AND attempts = :attempt AND state = 'running'
    FOR UPDATE
), gone AS (
    DELETE FROM jobs USING mine WHERE jobs.id = mine.id AND mine.again_at IS NULL
), again AS (
    UPDATE jobs SET state = 'ready', run_at = mine.again_at, again_at = NULL, attempts = 0,
        worker = NULL, lease_until = NULL, last_error = NULL
    FROM mine WHERE jobs.id = mine.id AND mine.again_at IS NOT NULL
)
SELECT count(*) FROM mine
""")

_SET_BACK = text("""
UPDATE jobs SET state = :state, run_at = :run_at, last_error = :error, worker = NULL,
    lease_until = NULL, attempts = attempts - :uncounted
WHERE id = :id AND worker = :worker AND attempts = :attempt AND state = 'running'
RETURNING id
""")


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
) -> int:
    """Add a job to this transaction; its id.

    With `dedupe_key` there is one job at a time: a second call moves its time. A job that is being
    worked on runs once more afterwards. Lock the lane's owner before, so that ids commit in order.
    """
    now = session.clock.now()
    row = await session.execute(
        _ENQUEUE,
        {
            "kind": kind,
            "lane": lane,
            "priority": priority,
            "tenant_id": tenant_id,
            "payload": json.dumps(dict(payload), default=str),
            "dedupe_key": dedupe_key,
            "run_at": run_at or now,
            "max_attempts": max_attempts,
            "traceparent": current_trace().header(),
            "created_at": now,
        },
    )
    if run_at is None or run_at <= now:
        session.hint(JOBS_CHANNEL)
    return int(row.scalar_one())


async def cancel_jobs(
    session: WriteSession, *, dedupe_key: str | None = None, ids: Sequence[int] = ()
) -> list[int]:
    """Remove jobs that nobody is working on; the ids of those removed."""
    rows = await session.execute(_CANCEL, {"dedupe_key": dedupe_key, "ids": list(ids)})
    return [int(row) for row in rows.scalars()]


async def claim(
    session: WriteSession, *, worker: int, limit: int, lease_seconds: float
) -> list[Job]:
    """Claim due jobs, the first of each lane only."""
    rows = await session.execute(
        _CLAIM,
        {
            "now": session.clock.now(),
            "limit": limit,
            "worker": worker,
            "lease": lease_seconds,
        },
    )
    return [
        Job(
            id=row.id,
            kind=row.kind,
            lane=row.lane,
            tenant_id=row.tenant_id,
            payload=row.payload if isinstance(row.payload, dict) else json.loads(row.payload),
            attempt=row.attempts,
            max_attempts=row.max_attempts,
            worker=row.worker,
            traceparent=row.traceparent,
        )
        for row in rows
    ]


async def free_lost(session: AsyncSession) -> int:
    """Give back the jobs of workers that are dead or whose lease is over; how many."""
    rows = await session.execute(_FREE, {"lock_class": LOCK_CLASS})
    return len(rows.all())


async def close(session: WriteSession, job: Job) -> None:
    """Remove a job that is done, as the last step of its transaction. Raises JobLost."""
    found = await session.scalar(_CLOSE, _fence(job))
    if found != 1:
        raise JobLost(job.kind, job.id)
    session.hint(JOBS_CHANNEL)


async def set_back(
    session: WriteSession,
    job: Job,
    *,
    error: str,
    run_at: datetime,
    dead: bool = False,
    counted: bool = True,
) -> None:
    """Put a job back for another attempt, or among the dead. Raises JobLost."""
    values = {
        **_fence(job),
        "state": "dead" if dead else "ready",
        "run_at": run_at,
        "error": error[:2000],
        "uncounted": 0 if counted else 1,
    }
    if (await session.execute(_SET_BACK, values)).first() is None:
        raise JobLost(job.kind, job.id)
    session.hint(JOBS_CHANNEL)


def _fence(job: Job) -> dict[str, int]:
    return {"id": job.id, "worker": job.worker, "attempt": job.attempt}
