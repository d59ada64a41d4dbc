"""The desk of the provider's staff: what needs a person, and what can be done about it."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from selling_service.desk import actions, queries
from selling_service.desk.rules import DeskKind, DeskState
from selling_service.desk.schemas import SellingDeskItem, desk_item
from selling_service.services.errors import OPERATION_NOT_RETRYABLE
from selling_service.staff.routes import GUARD, AnyStaff, OperatorStaff
from shared.contract import problems as catalogue
from shared.contract.basics import GivenTime, Page
from shared.kit.desk import NOT_GIVEN_UP, NOT_RETRYABLE, DeskReason, ItemKey, desk_page, read_place
from shared.kit.desk.routes import ACTION_PROBLEMS, ItemId, desk_router
from shared.kit.jobs.dead import JOB_IS_KEPT, JOB_NOT_STUCK
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES
from shared.kit.problems import declare

_list = APIRouter(prefix="/desk", tags=["desk"])
_item = APIRouter(prefix="/desk/{kind}/{item_id}", tags=["desk"])


async def read_key(kind: DeskKind, item_id: ItemId) -> ItemKey:
    """What the path names."""
    return ItemKey(kind, item_id)


ItemKeyDep = Annotated[ItemKey, Depends(read_key)]
routers = [_list, _item, desk_router(actions.ITEMS, GUARD, read_key)]


@_list.get(
    "",
    summary="What needs a person",
    description="Operations that wait or have failed, what is parked, jobs without attempts left, "
    "differences that wait for a decision; oldest first. What has failed stays "
    "for 30 days, or until somebody dismisses it.",
    responses=declare(*FOR_SOME_ROLES, catalogue.INVALID_REQUEST, catalogue.CURSOR_INVALID),
)
async def list_desk(
    staff: AnyStaff,
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
    rows = await queries.list_desk(session, staff, wanted, after=read_place(after), limit=limit)
    return desk_page(rows, limit=limit, item=desk_item)


@_item.get(
    "",
    summary="One thing that needs a person",
    responses=declare(*FOR_SOME_ROLES, catalogue.INVALID_REQUEST, catalogue.NOT_FOUND),
)
async def get_desk_item(staff: AnyStaff, session: StaffRead, key: ItemKeyDep) -> SellingDeskItem:
    """As on the list."""
    return desk_item(await actions.ITEMS.find(session, staff, key))


@_item.post(
    "/retry",
    status_code=204,
    summary="Try it again now",
    responses=declare(*ACTION_PROBLEMS, NOT_RETRYABLE, OPERATION_NOT_RETRYABLE, JOB_NOT_STUCK),
)
async def retry_desk_item(
    staff: OperatorStaff, session: StaffWrite, key: ItemKeyDep, body: DeskReason
) -> None:
    """With all attempts again."""
    await actions.retry(session, staff, key, reason=body.reason)


@_item.post(
    "/give-up",
    status_code=204,
    summary="Give it up",
    description="An operation ends as failed: its money is released here, and at the reseller by "
    "the event that tells it. Suspensions and terminations are never given up. A dead job is "
    "removed.",
    responses=declare(*ACTION_PROBLEMS, NOT_GIVEN_UP, JOB_NOT_STUCK, JOB_IS_KEPT),
)
async def give_up_desk_item(
    staff: OperatorStaff, session: StaffWrite, key: ItemKeyDep, body: DeskReason
) -> None:
    """End it, and compensate."""
    await actions.give_up(session, staff, key, reason=body.reason)
