"""The desk of differences with sellers."""

from uuid import UUID

from fastapi import APIRouter

from reselling_service.database import ResellingRuntime, RuntimeDep
from reselling_service.reconciliation.actions.adopting import adopt_service
from reselling_service.reconciliation.actions.asking import ask_charges_of
from reselling_service.reconciliation.actions.deciding import (
    Decision,
    decide_difference,
    write_down,
)
from reselling_service.reconciliation.errors import (
    CLIENT_NEEDED,
    NO_COMMAND_KNOWN,
    TARIFF_NOT_IMPORTED,
)
from reselling_service.reconciliation.models import DESK
from reselling_service.reconciliation.rules import Kind
from reselling_service.reconciliation.schemas import AdoptInput
from reselling_service.sellers.client import client_for
from reselling_service.sellers.errors import (
    NOT_A_SELLER,
    SELLER_KEY_REFUSED,
    SELLER_UNREACHABLE,
    SELLER_UNWILLING,
)
from reselling_service.sellers.queries import find_access
from reselling_service.services.errors import NOT_IN_THIS_STATE
from reselling_service.staff.models import PEOPLE
from reselling_service.staff.routes import GUARD, OperatorStaff
from shared.contract.inventory import ChargeLine
from shared.contract.problems import INSUFFICIENT_BALANCE, PARKED
from shared.contract.services import ServiceView
from shared.kit.people import StaffPrincipal
from shared.kit.people.access import StaffWrite
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError, declare
from shared.kit.reconciling import DifferenceColumns, Way, find_difference, lock_difference
from shared.kit.reconciling.errors import NOT_DECIDABLE
from shared.kit.reconciling.routes import DECISION_PROBLEMS, desk_router
from shared.kit.reconciling.rules import check_decidable
from shared.kit.reconciling.schemas import DecisionInput, DifferenceView, difference_view

_router = APIRouter(prefix="/reconciliation/differences", tags=["reconciliation"])
routers = [desk_router(DESK, PEOPLE, GUARD), _router]
_SELLERS = (SELLER_UNREACHABLE, SELLER_KEY_REFUSED, NOT_A_SELLER, SELLER_UNWILLING)


@_router.post(
    "/{difference_id}/adopt",
    summary="Let our books take over how it is",
    description="Of a service that is unknown here, `client_id` says whose it is.",
    responses=declare(
        *DECISION_PROBLEMS,
        INSUFFICIENT_BALANCE,
        PARKED,
        NOT_IN_THIS_STATE,
        NO_COMMAND_KNOWN,
        TARIFF_NOT_IMPORTED,
        CLIENT_NEEDED,
        *_SELLERS,
    ),
)
async def adopt_difference(
    runtime: RuntimeDep, staff: OperatorStaff, difference_id: UUID, body: AdoptInput
) -> DifferenceView:
    """What is only at the seller comes into our books; what it has forgotten is sent again."""
    decision = _decision(runtime, Way.ADOPT, body)
    async with runtime.staff.read() as session:
        row = await find_difference(session, DESK, difference_id=difference_id)
    if row.kind == Kind.UNKNOWN_HERE:
        return await _adopt_stranger(runtime, staff, row, decision, body)
    async with runtime.staff.write() as session:
        return difference_view(await decide_difference(session, staff, difference_id, decision))


@_router.post(
    "/{difference_id}/undo",
    summary="Bring it back to what our books say",
    description="A service that is unknown here is terminated at the seller, but not before the "
    "grace is over.",
    responses=declare(*DECISION_PROBLEMS, PARKED, NOT_IN_THIS_STATE, NO_COMMAND_KNOWN),
)
async def undo_difference(
    runtime: RuntimeDep,
    session: StaffWrite,
    staff: OperatorStaff,
    difference_id: UUID,
    body: DecisionInput,
) -> DifferenceView:
    """A wish is sent again, a charge is given back, a stranger's service is ended."""
    decision = _decision(runtime, Way.UNDO, body)
    return difference_view(await decide_difference(session, staff, difference_id, decision))


def _decision(runtime: ResellingRuntime, way: Way, body: DecisionInput) -> Decision:
    grace = runtime.settings.reconciliation_grace
    return Decision(way=way, reason=body.reason, grace=grace)


async def _adopt_stranger(
    runtime: ResellingRuntime,
    staff: StaffPrincipal,
    row: DifferenceColumns,
    decision: Decision,
    body: AdoptInput,
) -> DifferenceView:
    """Ask the seller for the service with no transaction open, then take it into our books."""
    check_decidable(row, Way.ADOPT)
    if body.client_id is None:
        raise ProblemError(CLIENT_NEEDED, "Send `client_id`: nobody here knows whose it is.")
    seller_id, ref = UUID(row.refs["seller"]), UUID(row.refs["service_ref"])
    view, charges = await _read_stranger(runtime, seller_id, ref)
    async with runtime.staff.write() as session:
        locked = await lock_difference(session, DESK, difference_id=row.id)
        check_decidable(locked, Way.ADOPT)
        service = await adopt_service(
            session,
            seller_id,
            view,
            charges,
            client_id=ClientId(body.client_id),
            charge=body.charge,
        )
        locked.gone_at = session.clock.now()
        names = {"service": str(service.id), "client": str(service.client_id)}
        locked.refs = {**locked.refs, **names}
        await write_down(session, staff, locked, decision, charge=body.charge)
        return difference_view(locked)


async def _read_stranger(
    runtime: ResellingRuntime, seller_id: UUID, ref: UUID
) -> tuple[ServiceView, list[ChargeLine]]:
    async with runtime.staff.read() as session:
        access = await find_access(session, seller_id=seller_id)
    client = client_for(runtime, url=access.url, key=access.key, trust=access.trust)
    view = await client.service(ref)
    if view is None:
        raise ProblemError(NOT_DECIDABLE, "The seller knows nothing of it any more. Compare again.")
    return view, await ask_charges_of(client, ref)
