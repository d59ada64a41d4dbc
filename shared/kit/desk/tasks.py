"""What a worker does for a desk: looks over the books, and forgets old attempts."""

from datetime import datetime, timedelta
from typing import Any, Protocol

from shared.kit.db import WriteSession
from shared.kit.desk.checking import MoneyCheck
from shared.kit.jobs import Job, Task
from shared.kit.runtime import Runtime

CHECK_EVERY = timedelta(minutes=5)
PRUNE_EVERY = timedelta(hours=1)
KEPT_ATTEMPTS = timedelta(days=90)


class PruneAttempts(Protocol):
    """Deletes attempts from before then, some at once; how many."""

    async def __call__(self, session: WriteSession, *, before: datetime) -> int: ...


def desk_tasks(
    runtime: Runtime[Any], money: MoneyCheck, prune_attempts: PruneAttempts
) -> list[Task]:
    """The tasks of a desk. They see all tenants, so they work as the staff's role."""

    async def check(_job: Job) -> None:
        async with runtime.staff.read() as session:
            found = await money.find_wrong(session)
        if found:
            async with runtime.staff.write() as session:
                await money.park(session, found)

    async def prune(_job: Job) -> None:
        pruned = 1
        while pruned:
            async with runtime.staff.write() as session:
                before = session.clock.now() - KEPT_ATTEMPTS
                pruned = await prune_attempts(session, before=before)

    return [
        Task(kind="check_money", work=check, every=CHECK_EVERY),
        Task(kind="prune_attempts", work=prune, every=PRUNE_EVERY),
    ]
