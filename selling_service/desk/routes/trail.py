"""The trail of a trace: all of it for staff, the partner's own part for a partner."""

from typing import Annotated

from fastapi import APIRouter

from selling_service.desk.queries import find_trail
from selling_service.partners.routes import FOR_KEYS, PartnerRead, needs
from selling_service.partners.rules import PartnerPrincipal
from selling_service.staff.routes import AnyStaff
from shared.contract import problems as catalogue
from shared.contract.basics import Scope
from shared.contract.trail import Trail
from shared.kit.db import ReadSession
from shared.kit.desk.trail import TraceId
from shared.kit.people.access import StaffRead
from shared.kit.people.errors import FOR_SOME_ROLES
from shared.kit.problems import declare, not_found

staff_router = APIRouter(tags=["desk"])
partner_router = APIRouter(tags=["operations"])


@staff_router.get(
    "/trail/{trace_id}",
    summary="Everything that happened under a trace id",
    description="Audit, received commands, operations, attempts with their calls to the platform, "
    "money, events and jobs, in the order of time. Attempts and calls are kept for 90 days.",
    responses=declare(*FOR_SOME_ROLES, catalogue.INVALID_REQUEST, catalogue.NOT_FOUND),
)
async def get_trail(_staff: AnyStaff, session: StaffRead, trace_id: TraceId) -> Trail:
    """With the platform's own words."""
    return await _trail(session, None, trace_id)


@partner_router.get(
    "/trail/{trace_id}",
    summary="What happened here under a trace id",
    description="The partner's own commands, operations, attempts, money and events that came of "
    "requests with this trace id, in the order of time.",
    responses=declare(
        *FOR_KEYS,
        catalogue.INVALID_REQUEST,
        catalogue.NOT_FOUND,
    ),
)
async def get_own_trail(
    principal: Annotated[PartnerPrincipal, needs(Scope.SERVICES_READ)],
    session: PartnerRead,
    trace_id: TraceId,
) -> Trail:
    """Of this partner only: another one's trace is not found."""
    return await _trail(session, principal, trace_id)


async def _trail(session: ReadSession, principal: PartnerPrincipal | None, trace_id: str) -> Trail:
    found = await find_trail(
        session, principal.partner_id if principal else None, trace_id=trace_id
    )
    if not found.items:
        raise not_found("trace")
    return found
