"""What staff do with commands: try one now, cancel one; each audited."""

from uuid import UUID

from reselling_service.commands.actions.ending import cancel_unsent, tell
from reselling_service.commands.actions.sending import CANCEL_JOB, LOOK_UP_JOB, wake, wish_job
from reselling_service.commands.errors import COMMAND_SETTLED
from reselling_service.commands.models import Command
from reselling_service.commands.queries import lock_command
from reselling_service.commands.rules import NEVER_GIVEN_UP, CommandStatus
from reselling_service.staff.actions import audit
from shared.kit.db import WriteSession
from shared.kit.desk import NOT_GIVEN_UP
from shared.kit.people import StaffPrincipal
from shared.kit.problems import ProblemError


async def retry_command(
    session: WriteSession, staff: StaffPrincipal, *, command_id: UUID, reason: str | None = None
) -> Command:
    """Send it now, or ask about it now. Raises `not_found`, `command_settled`."""
    row = await _lock_open(session, command_id)
    if row.state == CommandStatus.ACCEPTED:
        await wish_job(session, LOOK_UP_JOB, row)
    elif row.state == CommandStatus.CANCELLING:
        await wish_job(session, CANCEL_JOB, row)
    else:
        await wake(session, row)
    after = {"reason": reason} if reason else None
    await audit(
        session,
        staff,
        "command.retry",
        object_type="command",
        object_id=command_id,
        after=after,
    )
    return row


async def cancel_command(
    session: WriteSession, staff: StaffPrincipal, *, command_id: UUID, reason: str | None = None
) -> Command:
    """Cancel one that was never sent here, any other at the seller, if it still can.

    The client's money is released by a cancelled end only: where the seller may have it, that is
    once the seller has burned it or taken it back. Raises `not_found`, `command_settled`,
    `not_given_up`.
    """
    row = await _lock_open(session, command_id)
    if row.kind in NEVER_GIVEN_UP:
        detail = "A suspension or an end is sent until it arrives: the VM must not run."
        raise ProblemError(NOT_GIVEN_UP, detail)
    before = {"state": row.state}
    if await cancel_unsent(session, row):
        await tell(session, row)
    else:
        await wish_job(session, CANCEL_JOB, row)
    await audit(
        session,
        staff,
        "command.cancel",
        object_type="command",
        object_id=command_id,
        before=before,
        after={"state": row.state} | ({"reason": reason} if reason else {}),
    )
    return row


async def _lock_open(session: WriteSession, command_id: UUID) -> Command:
    row = await lock_command(session, command_id=command_id)
    if row.settled_at is not None:
        raise ProblemError(COMMAND_SETTLED, f"It has ended as {row.state}. Make a new one.")
    return row
