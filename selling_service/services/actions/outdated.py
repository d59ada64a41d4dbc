"""Decides what an operation does whose platform has seen more than these books know of.

Either another worker overtook us, or the books were restored from a backup: then what stood in the
queue of that day may have been done, and undone since. What stops a VM goes on at once. What may
start one waits for a while, so that the partner can send again what these books have forgotten.
"""

from datetime import datetime, timedelta
from uuid import UUID

from selling_service.services import queries
from selling_service.services.actions.carry_out import Assignment
from shared.contract.basics import CommandKind
from shared.kit.db import WriteSession
from shared.kit.jobs import Job
from shared.kit.jobs.queue import is_mine

PATIENCE = timedelta(seconds=60)
_STOPS = frozenset({CommandKind.SUSPEND, CommandKind.TERMINATE})
_SINCE = "outdated_since"


async def note_outdated(
    session: WriteSession, job: Job, task: Assignment, *, seen: int
) -> float | None:
    """Seconds until another attempt; None where somebody overtook us, who goes on instead.

    `seen` is the platform's fence, which the service takes on once the operation may go on.
    """
    service = await queries.find_service(
        session, task.partner_id, service_id=task.service_id, lock=True
    )
    operation = await queries.find_operation(
        session, task.partner_id, operation_id=UUID(job.payload["operation_id"]), lock=True
    )
    if service is None or operation is None or not await is_mine(session, job):
        return None
    if service.fence != task.fence or seen <= task.fence:
        return None
    now = session.clock.now()
    since = operation.parameters.get(_SINCE)
    waited = since is not None and now >= datetime.fromisoformat(since) + PATIENCE
    if task.kind in _STOPS or waited:
        service.fence = seen
        return 0.0
    operation.parameters = {_SINCE: now.isoformat(), **operation.parameters}
    # Or attempt by attempt it would creep up to what the platform has seen.
    service.fence -= 1
    return PATIENCE.total_seconds()
