"""Compares by schedule and when asked, and ends strangers' services that the desk has given up."""

from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog

from reselling_service.database import ResellingRuntime
from reselling_service.reconciliation import queries
from reselling_service.reconciliation.actions.deciding import END_STRANGER_JOB
from reselling_service.reconciliation.actions.running import run_once
from reselling_service.sellers.client import Nothing, Refused, client_for
from reselling_service.sellers.queries import find_access
from shared.contract.basics import CommandKind, TerminateWhen
from shared.contract.services import TerminateRequest
from shared.kit.db import WriteSession
from shared.kit.jobs import Completion, Job, Retry, Task, enqueue
from shared.kit.reconciling.keeping import BY_SCHEDULE
from shared.kit.reconciling.running import LOOK_AGAIN_SECONDS, ComparingAlready
from shared.kit.reconciling.tables import RECONCILE_JOB

# What a repair has begun is looked at again so soon.
AGAIN = timedelta(seconds=30)
SOON_JOB = "reconcile_soon"
_log = structlog.get_logger(__name__)


def tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room."""
    every = timedelta(seconds=runtime.settings.reconciliation_every_seconds)
    return [
        Task(kind=RECONCILE_JOB, work=partial(_reconcile, runtime), every=every),
        Task(kind=SOON_JOB, work=_soon),
        Task(kind=END_STRANGER_JOB, work=partial(_end_stranger, runtime)),
    ]


async def _reconcile(runtime: ResellingRuntime, _job: Job) -> Completion | None:
    try:
        return _again if await run_once(runtime, asked_by=BY_SCHEDULE) else None
    except ComparingAlready as error:
        raise Retry(str(error), after=LOOK_AGAIN_SECONDS, counted=False) from error


async def _again(session: WriteSession) -> None:
    at = session.clock.now() + AGAIN
    await enqueue(session, SOON_JOB, payload={}, run_at=at, dedupe_key=SOON_JOB)


async def _soon(_job: Job) -> Completion:
    async def hurry(session: WriteSession) -> None:
        await enqueue(session, RECONCILE_JOB, payload={}, dedupe_key=RECONCILE_JOB)

    return hurry


async def _end_stranger(runtime: ResellingRuntime, job: Job) -> None:
    """Terminate a service that nobody here knows, under an id that the decision has given."""
    seller_id, ref = UUID(job.payload["seller_id"]), UUID(job.payload["service_ref"])
    async with runtime.staff.read() as session:
        if await queries.find_by_ref(session, seller_id, service_ref=ref) is not None:
            return
        access = await find_access(session, seller_id=seller_id)
    client = client_for(runtime, url=access.url, key=access.key, trust=access.trust)
    reply = await client.send(
        path=f"/services/{ref}/{CommandKind.TERMINATE}",
        body=TerminateRequest(when=TerminateWhen.NOW).model_dump_json().encode(),
        command_id=UUID(job.payload["command_id"]),
        traceparent=job.traceparent,
    )
    if isinstance(reply, Nothing):
        raise Retry(reply.reason)
    if isinstance(reply, Refused):
        # The difference stays, and comes back to the desk when it is seen again.
        _log.warning("reconciliation.end_refused", ref=str(ref), code=reply.problem.code)
