"""Commands in the staff's API: what was asked of sellers, what they said, and two buttons."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from reselling_service.commands.actions import handling as actions
from reselling_service.commands.errors import COMMAND_SETTLED
from reselling_service.commands.queries import get_command, list_attempts, list_commands
from reselling_service.commands.rules import CommandStatus
from reselling_service.commands.schemas import (
    CommandDetail,
    CommandView,
    command_detail,
    command_view,
)
from reselling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import Page
from shared.contract.problems import CURSOR_INVALID, INVALID_REQUEST, NOT_FOUND, UNAUTHORIZED
from shared.kit.desk import NOT_GIVEN_UP
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import ROLE_REQUIRED
from shared.kit.problems import declare

_router = APIRouter(prefix="/commands", tags=["commands"])
staff_routers = [_router]

CommandId = Annotated[UUID, Path(description="Id of the command; also its Idempotency-Key.")]
_ASKED = (UNAUTHORIZED, ROLE_REQUIRED, INVALID_REQUEST)


@_router.get("", summary="List commands", responses=declare(*_ASKED, CURSOR_INVALID))
async def read_commands(
    session: StaffRead,
    staff: AnyStaff,
    *,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    state: CommandStatus | None = None,
    seller_id: UUID | None = None,
    service_id: UUID | None = None,
    unsettled: Annotated[bool, Query(description="Only those that haven't ended.")] = False,
) -> Page[CommandView]:
    """Pages of commands, oldest first. What a client wrote isn't shown."""
    rows = await list_commands(
        session,
        staff,
        after=decode_cursor(after),
        limit=limit,
        state=state,
        seller_id=seller_id,
        service_id=service_id,
        unsettled=unsettled,
    )
    return make_page(rows, limit=limit, row_id=lambda row: row.id, item=command_view)


@_router.get(
    "/{command_id}",
    summary="One command with its attempts",
    responses=declare(*_ASKED, NOT_FOUND),
)
async def read_command(session: StaffRead, staff: AnyStaff, command_id: CommandId) -> CommandDetail:
    """With the last 100 attempts and what came back."""
    row = await get_command(session, staff, command_id=command_id)
    attempts = await list_attempts(session, staff, command_id=command_id)
    return command_detail(row, attempts)


@_router.post(
    "/{command_id}/retry",
    status_code=202,
    summary="Try now",
    responses=declare(*_ASKED, NOT_FOUND, COMMAND_SETTLED),
)
async def retry_command(
    session: StaffWrite, staff: OperatorStaff, command_id: CommandId
) -> CommandView:
    """The same bytes go out at once; of an accepted command the seller is asked at once.

    An earlier command of the same service goes first.
    """
    return command_view(await actions.retry_command(session, staff, command_id=command_id))


@_router.post(
    "/{command_id}/cancel",
    status_code=202,
    summary="Cancel",
    responses=declare(*_ASKED, NOT_FOUND, COMMAND_SETTLED, NOT_GIVEN_UP),
)
async def cancel_command(
    session: StaffWrite, staff: OperatorStaff, command_id: CommandId
) -> CommandView:
    """One that was never sent is cancelled here; any other by the seller, if it still can.

    The client's money is given back once that is certain. Suspensions and terminations are never
    cancelled.
    """
    return command_view(await actions.cancel_command(session, staff, command_id=command_id))
