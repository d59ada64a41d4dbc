"""What trying again and giving up mean at the reseller's desk; each is audited."""

from reselling_service.commands.actions.handling import cancel_command, retry_command
from reselling_service.database import Job
from reselling_service.desk.actions.checking import MONEY
from reselling_service.desk.queries import find_row
from reselling_service.desk.rules import DeskKind, actions_of
from reselling_service.sellers.actions.link import hurry
from reselling_service.staff.models import PEOPLE
from reselling_service.staff.rules import KEPT_JOBS
from reselling_service.sync.actions import HINT_CHANNEL
from shared.kit.db import WriteSession
from shared.kit.desk import Action, DeskItems, ItemKey
from shared.kit.people import StaffPrincipal
from shared.kit.people.stuck_jobs import discard, revive

ITEMS = DeskItems(money=MONEY, find_row=find_row, actions_of=actions_of)


async def retry(session: WriteSession, staff: StaffPrincipal, key: ItemKey, *, reason: str) -> None:
    """Try again now, with all attempts. Raises `not_found`, `not_retryable`."""
    await ITEMS.check(session, staff, key, Action.RETRY)
    if key.kind == DeskKind.COMMAND:
        await retry_command(session, staff, command_id=key.id, reason=reason)
        return
    if key.kind == DeskKind.LINK:
        await hurry(session, seller_id=key.id)
    elif key.kind == DeskKind.FEED:
        session.hint(HINT_CHANNEL, str(key.id))
    else:
        await revive(session, PEOPLE, staff, Job, job_id=key.id.int)
    await ITEMS.audit(session, staff, f"{key.kind}.retry", key, reason=reason)


async def give_up(
    session: WriteSession, staff: StaffPrincipal, key: ItemKey, *, reason: str
) -> None:
    """End what waits: one that was never sent here, any other at the seller.

    Money goes back once it is certain that nothing is done for it. Raises `not_found`,
    `not_given_up`.
    """
    await ITEMS.check(session, staff, key, Action.GIVE_UP)
    if key.kind == DeskKind.COMMAND:
        await cancel_command(session, staff, command_id=key.id, reason=reason)
        return
    await discard(session, PEOPLE, staff, Job, job_id=key.id.int, reason=reason, kept=KEPT_JOBS)
