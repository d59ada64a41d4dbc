"""The desk of the provider's staff: what needs a person, and what can be done about it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from selling_service.desk import actions, queries
from selling_service.desk.actions.handling import find_item
from selling_service.desk.rules import DeskKind, DeskState
from selling_service.desk.schemas import SellingDeskItem, desk_item
from selling_service.services.errors import OPERATION_NOT_RETRYABLE
from selling_service.staff.routes import AnyStaff, FinanceStaff, OperatorStaff
from shared.contract import problems as catalogue
from shared.contract.basics import GivenTime, Page
from shared.kit.desk import (
    NO_SUCH_PERSON,
    NOT_DISMISSIBLE,
    NOT_GIVEN_UP,
    NOT_PARKED,
    NOT_RETRYABLE,
    STILL_WRONG,
    DeskHandOver,
    DeskReason,
    DeskUnpark,
    Place,
    read_place,
    write_place,
)
from shared.kit.jobs.dead import JOB_IS_KEPT, JOB_NOT_STUCK
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare

router = APIRouter(prefix="/desk", tags=["desk"])
ItemId = Annotated[UUID, Path(description="`id` of the item.")]
_ACTION = (*FOR_SOME_ROLES, *WITH_BODY, catalogue.NOT_FOUND)


@router.get(
    "",
    summary="What needs a person",
    description="Operations that wait or have failed, what is parked, jobs without attempts left, "
    "differences that wait for a decision; oldest first. What has failed stays "
    "for 30 days, or until somebody dismisses it.",
    responses=declare(*FOR_SOME_ROLES, catalogue.INVALID_REQUEST, catalogue.CURSOR_INVALID),
)
async def list_desk(
    _staff: AnyStaff,
    session: StaffRead,
    *,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    kind: Annotated[DeskKind | None, Query(description="Of this kind only.")] = None,
    state: Annotated[DeskState | None, Query(description="In this state only.")] = None,
    partner_id: Annotated[UUID | None, Query(description="Of this partner only.")] = None,
    holder_id: Annotated[UUID | None, Query(description="Held by this person only.")] = None,
    since: Annotated[GivenTime | None, Query(description="Not older than this.")] = None,
) -> Page[SellingDeskItem]:
    """Each with why, what to do, and when it is tried next."""
    wanted = queries.DeskFilter(
        kind=kind, state=state, partner_id=partner_id, holder_id=holder_id, since=since
    )
    rows = await queries.list_desk(session, wanted, after=read_place(after), limit=limit)
    shown = rows[:limit]
    place = Place(since=shown[-1].since, id=shown[-1].id) if len(rows) > limit else None
    return Page(items=[desk_item(row) for row in shown], next=write_place(place) if place else None)


@router.get(
    "/{kind}/{item_id}",
    summary="One thing that needs a person",
    responses=declare(*FOR_SOME_ROLES, catalogue.INVALID_REQUEST, catalogue.NOT_FOUND),
)
async def get_desk_item(
    _staff: AnyStaff, session: StaffRead, kind: DeskKind, item_id: ItemId
) -> SellingDeskItem:
    """As on the list."""
    return desk_item(await find_item(session, kind=kind, item_id=item_id))


@router.post(
    "/{kind}/{item_id}/retry",
    status_code=204,
    summary="Try it again now",
    responses=declare(*_ACTION, NOT_RETRYABLE, OPERATION_NOT_RETRYABLE, JOB_NOT_STUCK),
)
async def retry_desk_item(
    staff: OperatorStaff, session: StaffWrite, kind: DeskKind, item_id: ItemId, body: DeskReason
) -> None:
    """With all attempts again."""
    await actions.retry(session, staff, kind=kind, item_id=item_id, reason=body.reason)


@router.post(
    "/{kind}/{item_id}/give-up",
    status_code=204,
    summary="Give it up",
    description="An operation ends as failed: its money is released here, and at the reseller by "
    "the event that tells it. Suspensions and terminations are never given up. A dead job is "
    "removed.",
    responses=declare(*_ACTION, NOT_GIVEN_UP, JOB_NOT_STUCK, JOB_IS_KEPT),
)
async def give_up_desk_item(
    staff: OperatorStaff, session: StaffWrite, kind: DeskKind, item_id: ItemId, body: DeskReason
) -> None:
    """End it, and compensate."""
    await actions.give_up(session, staff, kind=kind, item_id=item_id, reason=body.reason)


@router.post(
    "/{kind}/{item_id}/hand-over",
    status_code=204,
    summary="Hand it over to somebody",
    responses=declare(*_ACTION, NO_SUCH_PERSON),
)
async def hand_over_desk_item(
    staff: OperatorStaff, session: StaffWrite, kind: DeskKind, item_id: ItemId, body: DeskHandOver
) -> None:
    """From now on that person holds it."""
    await actions.hand_over_item(
        session, staff, kind=kind, item_id=item_id, to=body.to, reason=body.reason
    )


@router.post(
    "/{kind}/{item_id}/dismiss",
    status_code=204,
    summary="Take what has ended off the desk",
    responses=declare(*_ACTION, NOT_DISMISSIBLE),
)
async def dismiss_desk_item(
    staff: OperatorStaff, session: StaffWrite, kind: DeskKind, item_id: ItemId, body: DeskReason
) -> None:
    """Somebody has looked at it."""
    await actions.dismiss_item(session, staff, kind=kind, item_id=item_id, reason=body.reason)


@router.post(
    "/{kind}/{item_id}/unpark",
    status_code=204,
    summary="Let it go on after its books were put right",
    description="Refused while the books don't agree, unless what is wrong was made good by hand.",
    responses=declare(*_ACTION, NOT_PARKED, STILL_WRONG),
)
async def unpark_desk_item(
    staff: FinanceStaff, session: StaffWrite, kind: DeskKind, item_id: ItemId, body: DeskUnpark
) -> None:
    """What waited goes on."""
    await find_item(session, kind=kind, item_id=item_id)
    await actions.MONEY.unpark(
        session,
        staff,
        kind=kind,
        item_id=item_id,
        reason=body.reason,
        settled_by_hand=body.settled_by_hand,
    )
