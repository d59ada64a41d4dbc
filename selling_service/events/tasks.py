"""What the worker does for the feeds: forgets what is older than 90 days."""

from datetime import timedelta

from selling_service.database import SellingRuntime
from selling_service.events.actions import prune_events
from selling_service.events.rules import KEPT
from shared.kit.jobs import Job, Task

PRUNE_JOB = "prune_events"
_AT_ONCE = 5_000


def tasks(runtime: SellingRuntime) -> list[Task]:
    """The tasks of this room."""

    async def prune(_job: Job) -> None:
        pruned = _AT_ONCE
        while pruned == _AT_ONCE:
            async with runtime.staff.write() as session:
                before = session.clock.now() - KEPT
                pruned = await prune_events(session, before=before, limit=_AT_ONCE)

    return [Task(kind=PRUNE_JOB, work=prune, every=timedelta(hours=1))]
