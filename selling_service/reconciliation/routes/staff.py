"""The desk of the provider's differences."""

from uuid import UUID

from fastapi import APIRouter

from selling_service.database import RuntimeDep
from selling_service.reconciliation.actions.deciding import decide_difference
from selling_service.reconciliation.models import DESK
from selling_service.staff.models import PEOPLE
from selling_service.staff.routes import GUARD, OperatorStaff
from shared.contract.problems import WRONG_STATE
from shared.kit.people.access import StaffWrite
from shared.kit.problems import declare
from shared.kit.reconciling import Way
from shared.kit.reconciling.routes import DECISION_PROBLEMS, desk_router
from shared.kit.reconciling.schemas import DecisionInput, DifferenceView, difference_view

_router = APIRouter(prefix="/reconciliation/differences", tags=["reconciliation"])
routers = [desk_router(DESK, PEOPLE, GUARD), _router]


@_router.post(
    "/{difference_id}/adopt",
    summary="Let the books take over how it is",
    description="A VM that is missing: its service ends. Another power: it is wanted from now on.",
    responses=declare(*DECISION_PROBLEMS, WRONG_STATE),
)
async def adopt_difference(
    runtime: RuntimeDep,
    session: StaffWrite,
    staff: OperatorStaff,
    difference_id: UUID,
    body: DecisionInput,
) -> DifferenceView:
    """The VM is left as it is."""
    return await _decided(runtime, session, staff, difference_id, Way.ADOPT, body)


@_router.post(
    "/{difference_id}/undo",
    summary="Bring the platform to what the books say",
    description="A stray VM with our mark is deleted, but not before the grace is over.",
    responses=declare(*DECISION_PROBLEMS, WRONG_STATE),
)
async def undo_difference(
    runtime: RuntimeDep,
    session: StaffWrite,
    staff: OperatorStaff,
    difference_id: UUID,
    body: DecisionInput,
) -> DifferenceView:
    """The VM is started, stopped, unlocked or deleted, as the books say."""
    return await _decided(runtime, session, staff, difference_id, Way.UNDO, body)


async def _decided(
    runtime: RuntimeDep,
    session: StaffWrite,
    staff: OperatorStaff,
    difference_id: UUID,
    way: Way,
    body: DecisionInput,
) -> DifferenceView:
    row = await decide_difference(
        session,
        staff,
        way,
        difference_id=difference_id,
        reason=body.reason,
        grace=runtime.settings.reconciliation_grace,
    )
    return difference_view(row)
