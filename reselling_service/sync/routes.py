"""How feeds are being read, in the staff's API."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path

from reselling_service.database import StaffRead
from reselling_service.staff.routes import AnyStaff
from reselling_service.sync.queries import count_parked, get_feed
from reselling_service.sync.schemas import SyncView
from shared.contract.problems import INVALID_REQUEST, NOT_FOUND, UNAUTHORIZED
from shared.kit.people.errors import ROLE_REQUIRED
from shared.kit.problems import declare

_router = APIRouter(prefix="/sellers", tags=["sellers"])
staff_routers = [_router]


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
