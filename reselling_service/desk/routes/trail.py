"""The trail of a trace over both services: what this side knows, and what the sellers tell."""

import asyncio
from datetime import timedelta

from fastapi import APIRouter

from reselling_service.database import ResellingRuntime, RuntimeDep
from reselling_service.desk.queries import find_sellers, find_trail
from reselling_service.desk.schemas import TrailSource, WholeTrail
from reselling_service.sellers.client import client_for
from reselling_service.sellers.errors import SellerProblem
from reselling_service.sellers.queries import SellerAccess
from reselling_service.staff.routes import AnyStaff
from shared.contract.problems import INVALID_REQUEST, NOT_FOUND
from shared.contract.trail import Trail, TrailItem, clock_ahead, merge
from shared.kit.desk.trail import TraceId
from shared.kit.people.errors import FOR_SOME_ROLES
from shared.kit.problems import declare, not_found

router = APIRouter(tags=["desk"])
_NOTHING_YET = "The seller knows nothing of it (yet)."


@router.get(
    "/trail/{trace_id}",
    summary="Everything that happened under a trace id, on both sides",
    description="From the click to the platform's call: audit, commands with each sending, money "
    "and jobs here, and what the sellers tell of their part. Where one doesn't answer, `sellers` "
    "says so, and the rest is shown.",
    responses=declare(*FOR_SOME_ROLES, INVALID_REQUEST, NOT_FOUND),
)
async def get_trail(
    staff: AnyStaff,
    runtime: RuntimeDep,
    trace_id: TraceId,
) -> WholeTrail:
    """No transaction is open while sellers are asked."""
    async with runtime.staff.read() as session:
        items, complete = await find_trail(session, staff, trace_id=trace_id)
        accesses = await find_sellers(session, staff, trace_id=trace_id)
    if not items:
        raise not_found("trace")
    told = await asyncio.gather(*(_ask(runtime, access, trace_id, items) for access in accesses))
    trails = [trail for _, trail in told if trail is not None]
    return WholeTrail(
        trace_id=trace_id,
        items=merge(items, *(trail.items for trail in trails)),
        complete=complete and all(trail.complete for trail in trails),
        sellers=[source for source, _ in told],
    )


async def _ask(
    runtime: ResellingRuntime, access: SellerAccess, trace_id: str, ours: list[TrailItem]
) -> tuple[TrailSource, Trail | None]:
    trail, problem = None, _NOTHING_YET
    try:
        trail = await client_for(runtime, url=access.url, key=access.key, trust=access.trust).trail(
            trace_id
        )
    except SellerProblem as error:
        problem = error.detail
    ahead = clock_ahead(ours, trail.items) if trail else timedelta(0)
    source = TrailSource(
        seller_id=access.seller_id,
        seller_name=access.name,
        told=trail is not None,
        problem=None if trail else problem,
        clock_ahead_milliseconds=ahead // timedelta(milliseconds=1),
    )
    return source, trail
