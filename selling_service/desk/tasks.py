"""What the worker does for the desk: looks over the books, and forgets old attempts."""

from datetime import timedelta

from selling_service.database import SellingRuntime
from selling_service.desk.actions import MONEY
from selling_service.services.actions.attempts import KEPT_ATTEMPTS, prune_attempts
from shared.kit.jobs import Job, Task

CHECK_JOB = "check_money"
CHECK_EVERY = timedelta(minutes=5)
PRUNE_EVERY = timedelta(hours=1)


def tasks(runtime: SellingRuntime) -> list[Task]:
    """The tasks of this room. They see all partners, so they work as the staff's role."""

    async def check(_job: Job) -> None:
        async with runtime.staff.read() as session:
            found = await MONEY.find_wrong(session)
        if found:
            async with runtime.staff.write() as session:
                await MONEY.park(session, found)

    async def prune(_job: Job) -> None:
        pruned = 1
        while pruned:
            async with runtime.staff.write() as session:
                before = session.clock.now() - KEPT_ATTEMPTS
                pruned = await prune_attempts(session, before=before)

    return [
        Task(kind=CHECK_JOB, work=check, every=CHECK_EVERY),
        Task(kind="prune_attempts", work=prune, every=PRUNE_EVERY),
    ]
