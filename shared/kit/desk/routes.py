"""What can be done about anything on a desk, made for the tables of one service.

The list, trying again and giving up have each service's own kinds and words: they are its routes.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from shared.contract.problems import NOT_FOUND
from shared.kit.desk.cases import NO_SUCH_PERSON, NOT_DISMISSIBLE, NOT_PARKED, STILL_WRONG
from shared.kit.desk.items import DeskItems, ItemKey
from shared.kit.desk.shapes import DeskHandOver, DeskReason, DeskUnpark
from shared.kit.people import StaffGuard, StaffPrincipal
from shared.kit.people.access import StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES, WITH_BODY
from shared.kit.people.principals import ACCOUNTANTS, OPERATORS
from shared.kit.problems import declare

ItemId = Annotated[UUID, Path(description="`id` of the item.")]
ACTION_PROBLEMS = (*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND)


def desk_router(
    items: DeskItems, guard: StaffGuard, read_key: Callable[..., Awaitable[ItemKey]]
) -> APIRouter:
    """`…/hand-over /dismiss /unpark` of one item, which `read_key` reads off the path."""
    router = APIRouter(prefix="/desk/{kind}/{item_id}", tags=["desk"])
    operator = Annotated[StaffPrincipal, Depends(guard.having(OPERATORS))]
    accountant = Annotated[StaffPrincipal, Depends(guard.having(ACCOUNTANTS))]
    item = Annotated[ItemKey, Depends(read_key)]

    @router.post(
        "/hand-over",
        status_code=204,
        summary="Hand it over to somebody",
        responses=declare(*ACTION_PROBLEMS, NO_SUCH_PERSON),
    )
    async def hand_over_desk_item(
        staff: operator, session: StaffWrite, key: item, body: DeskHandOver
    ) -> None:
        """From now on that person holds it."""
        await items.hand_over(session, staff, key, to=body.to, reason=body.reason)

    @router.post(
        "/dismiss",
        status_code=204,
        summary="Take what has ended off the desk",
        responses=declare(*ACTION_PROBLEMS, NOT_DISMISSIBLE),
    )
    async def dismiss_desk_item(
        staff: operator, session: StaffWrite, key: item, body: DeskReason
    ) -> None:
        """Somebody has looked at it."""
        await items.dismiss(session, staff, key, reason=body.reason)

    @router.post(
        "/unpark",
        status_code=204,
        summary="Let it go on after its books were put right",
        description="Refused while the books don't agree, unless what is wrong was made good by "
        "hand.",
        responses=declare(*ACTION_PROBLEMS, NOT_PARKED, STILL_WRONG),
    )
    async def unpark_desk_item(
        staff: accountant, session: StaffWrite, key: item, body: DeskUnpark
    ) -> None:
        """What waited goes on."""
        await items.unpark(
            session, staff, key, reason=body.reason, settled_by_hand=body.settled_by_hand
        )

    return router
