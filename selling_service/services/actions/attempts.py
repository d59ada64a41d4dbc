"""Keeps account of attempts on services: begun in the transaction that hands the work out.

An attempt whose worker vanished is closed as lost when the next one of its job begins.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update

from selling_service.provisioning.drivers.recorded import keep_notes, notes
from selling_service.services.models import AttemptRow, OperationRow, ServiceRow
from shared.contract.problems import UNAVAILABLE, ProblemType
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import Job, Setback
from shared.kit.telemetry import current_trace

_AT_ONCE = 5_000


async def open_attempt(
    session: WriteSession, service: ServiceRow, job: Job, operation: OperationRow | None = None
) -> None:
    """Note that this job's attempt begins, and from now on what it asks of the platform."""
    keep_notes()
    await _close(session, job, outcome="lost", with_calls=False)
    session.add(
        AttemptRow(
            id=new_id(),
            partner_id=service.partner_id,
            service_id=service.id,
            operation_id=operation.id if operation else None,
            job_id=job.id,
            kind=operation.kind if operation else job.kind,
            number=operation.attempts if operation else job.attempt,
            trace_id=current_trace().trace_id,
            outcome="running",
            calls=[],
            started_at=session.clock.now(),
        )
    )
    await session.flush()


async def close_attempt(
    session: WriteSession,
    job: Job,
    outcome: str,
    *,
    problem: ProblemType | None = None,
    internal: str | None = None,
) -> None:
    """Note how this job's attempt ended, and what it asked of the platform."""
    code = problem.code if problem else None
    await _close(session, job, outcome=outcome, code=code, problem=internal)


async def note_setback(session: WriteSession, job: Job, setback: Setback) -> None:
    """For jobs that set a VM right: the attempt came to nothing, and another follows."""
    await close_attempt(session, job, "waiting", problem=UNAVAILABLE, internal=setback.reason)


async def _close(
    session: WriteSession,
    job: Job,
    *,
    outcome: str,
    code: str | None = None,
    problem: str | None = None,
    with_calls: bool = True,
) -> None:
    values: dict[str, object] = {
        "outcome": outcome,
        "code": code,
        "problem": problem.replace("\0", "")[:1000] if problem else None,
        "ended_at": session.clock.now(),
    }
    if with_calls:
        values["calls"] = notes()
    await session.execute(
        update(AttemptRow)
        .where(AttemptRow.job_id == job.id, AttemptRow.ended_at.is_(None))
        .values(values)
        .execution_options(synchronize_session=False)
    )


async def prune_attempts(session: WriteSession, *, before: datetime) -> int:
    """Delete attempts that began before then, up to some thousands at once; how many."""
    old = select(AttemptRow.id).where(AttemptRow.started_at < before).limit(_AT_ONCE)
    gone = delete(AttemptRow).where(AttemptRow.id.in_(old)).returning(AttemptRow.id)
    found: list[UUID] = list((await session.scalars(gone)).all())
    return len(found)
