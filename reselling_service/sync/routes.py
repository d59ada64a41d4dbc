"""How feeds are being read, in the staff's API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request

from reselling_service.database import RuntimeDep
from reselling_service.sellers.actions.hooks import HOOKS_PATH, is_from_seller
from reselling_service.staff.routes import AnyStaff
from reselling_service.sync.actions import HINT_CHANNEL
from reselling_service.sync.queries import count_parked, get_feed
from reselling_service.sync.schemas import SyncView
from shared.contract.problems import INVALID_REQUEST, NOT_FOUND, UNAUTHORIZED
from shared.kit.people.access import StaffRead
from shared.kit.people.errors import ROLE_REQUIRED
from shared.kit.problems import ProblemError, declare

_router = APIRouter(prefix="/sellers", tags=["sellers"])
staff_routers = [_router]
# A seller's machine calls it, nobody who reads the documentation: it isn't in there.
_hooks = APIRouter(prefix=HOOKS_PATH, include_in_schema=False)
seller_routers = [_hooks]


@_hooks.post("/{seller_id}", status_code=204)
async def take_hint(request: Request, runtime: RuntimeDep, seller_id: UUID) -> None:
    """Wake the reader of the seller's feed. Of what isn't signed by the seller nothing is said."""
    body = await request.body()
    async with runtime.staff.read() as session:
        ours = await is_from_seller(
            session, seller_id=seller_id, headers=request.headers, body=body
        )
    if not ours:
        raise ProblemError(UNAUTHORIZED, "Sign it with the secret of an endpoint that is in force.")
    runtime.hints.send(HINT_CHANNEL, str(seller_id))


@_router.get(
    "/{seller_id}/sync",
    summary="How the seller's feed is being read",
    responses=declare(UNAUTHORIZED, ROLE_REQUIRED, INVALID_REQUEST, NOT_FOUND),
)
async def read_sync(
    session: StaffRead, staff: AnyStaff, seller_id: Annotated[UUID, Path()]
) -> SyncView:
    """By stream or poll, how far, and how long events take to get here."""
    feed = await get_feed(session, staff, seller_id=seller_id)
    return SyncView(
        seller_id=seller_id,
        mode=feed.mode,
        cursor=feed.cursor,
        number=feed.number,
        last_read_at=feed.read_at,
        last_event_at=feed.event_at,
        lag_ms=feed.latency_ms,
        parked=await count_parked(session, staff, seller_id=seller_id),
        problem=feed.problem,
    )
