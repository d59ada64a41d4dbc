"""What trying again and giving up mean at the provider's desk; each is audited."""

from selling_service.database import Job
from selling_service.desk.actions.checking import MONEY
from selling_service.desk.queries import find_row
from selling_service.desk.rules import DeskKind, actions_of
from selling_service.services.actions.staff import give_up_operation, retry_operation
from selling_service.staff.models import PEOPLE
from selling_service.staff.rules import KEPT_JOBS
from shared.kit.db import WriteSession
from shared.kit.desk import Action, DeskItems, ItemKey
from shared.kit.people import StaffPrincipal
from shared.kit.people.stuck_jobs import discard, revive

ITEMS = DeskItems(money=MONEY, find_row=find_row, actions_of=actions_of)


async def retry(session: WriteSession, staff: StaffPrincipal, key: ItemKey, *, reason: str) -> None:
    """Try again now, with all attempts. Raises `not_found`, `not_retryable`."""
    await ITEMS.check(session, staff, key, Action.RETRY)
    if key.kind == DeskKind.OPERATION:
        await retry_operation(session, staff, operation_id=key.id, reason=reason)
        return
    await revive(session, PEOPLE, staff, Job, job_id=key.id.int)
    await ITEMS.audit(session, staff, "job.retry", key, reason=reason)


async def give_up(
    session: WriteSession, staff: StaffPrincipal, key: ItemKey, *, reason: str
) -> None:
    """End what waits; the money goes back on both sides. Raises `not_found`, `not_given_up`."""
    await ITEMS.check(session, staff, key, Action.GIVE_UP)
    if key.kind == DeskKind.OPERATION:
        await give_up_operation(session, staff, operation_id=key.id, reason=reason)
        return
    await discard(session, PEOPLE, staff, Job, job_id=key.id.int, reason=reason, kept=KEPT_JOBS)
