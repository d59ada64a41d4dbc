"""What the worker does for the feeds: sends hints of news, and forgets what is old."""

from datetime import timedelta
from uuid import UUID

from selling_service.database import SellingRuntime
from selling_service.events import actions
from selling_service.events.actions import WEBHOOK_JOB
from selling_service.events.rules import (
    MOST_ATTEMPTS,
    Attempt,
    pause,
)
from selling_service.events.webhooks import sender_of
from shared.kit.db import WriteSession
from shared.kit.jobs import Completion, Job, Retry, Setback, Task

PRUNE_JOB = "prune_events"
_AT_ONCE = 5_000


class _NotDelivered(Retry):
    """An attempt that the receiver didn't take."""

    def __init__(self, attempt: Attempt, *, status: int | None, problem: str, after: float) -> None:
        super().__init__(problem, after=after)
        self.attempt = attempt
        self.status = status
        self.pause = after


def tasks(runtime: SellingRuntime) -> list[Task]:
    """The tasks of this room."""

    async def prune(_job: Job) -> None:
        pruned = _AT_ONCE
        while pruned == _AT_ONCE:
            async with runtime.staff.write() as session:
                before = session.clock.now() - runtime.settings.keep_events
                pruned = await actions.prune_events(session, before=before, limit=_AT_ONCE)
        async with runtime.staff.write() as session:
            before = session.clock.now() - runtime.settings.keep_deliveries
            await actions.prune_deliveries(session, before=before)

    async def hint(job: Job) -> Completion | None:
        return await _send_hint(runtime, job)

    return [
        Task(kind=PRUNE_JOB, work=prune, every=timedelta(hours=1)),
        Task(kind=WEBHOOK_JOB, work=hint, on_setback=_note_failure),
    ]


async def _send_hint(runtime: SellingRuntime, job: Job) -> Completion | None:
    partner_id = job.tenant_id
    if partner_id is None:
        raise ValueError("a hint's job names its partner")
    async with runtime.app.write(tenant=partner_id) as session:
        attempt = await actions.begin_attempt(
            session, partner_id, endpoint_id=UUID(job.payload["endpoint_id"])
        )
    if attempt is None:
        return None
    outcome = await sender_of(runtime).send(attempt)
    status, problem = outcome.status, outcome.problem
    if problem is not None and not outcome.is_gone:
        after = pause(attempt.number, retry_after=outcome.retry_after)
        raise _NotDelivered(attempt, status=status, problem=problem, after=after)

    async def record(session: WriteSession) -> None:
        if problem is None:
            await actions.record_success(session, attempt, status=status or 200)
        else:
            await actions.disable(session, attempt, status=status or 410, problem=problem)

    return record


async def _note_failure(session: WriteSession, _job: Job, setback: Setback) -> None:
    error = setback.error
    if not isinstance(error, _NotDelivered):
        return
    given_up = setback.dead or error.attempt.number >= MOST_ATTEMPTS
    await actions.record_failure(
        session,
        error.attempt,
        status=error.status,
        problem=error.reason,
        after=None if given_up else error.pause,
    )
