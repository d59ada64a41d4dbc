"""The simulated platform as staff of a sandbox may set it: totals, delay, faults, a power cut."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response

from selling_service.catalog.actions import REFRESH_CAPACITY
from selling_service.database import RuntimeDep
from selling_service.provisioning.drivers.simulated import (
    Behaviour,
    Fault,
    FaultKind,
    SimulatedPlatform,
)
from selling_service.provisioning.schemas import BehaviourInput
from selling_service.staff.actions import audit
from selling_service.staff.routes import OperatorStaff
from shared.kit.jobs import enqueue
from shared.kit.people.access import StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare

_NAME = "simulated"
_router = APIRouter(prefix="/platforms/simulated", tags=["sandbox"])
_PROBLEMS = (*FOR_SOME_ROLES, *WITH_BODY)


@_router.put(
    "/behaviour",
    status_code=204,
    summary="Make the simulated platform slow, full or faulty",
    responses=declare(*_PROBLEMS),
)
async def put_behaviour(
    staff: OperatorStaff, runtime: RuntimeDep, session: StaffWrite, body: BehaviourInput
) -> Response:
    """Set totals, quota, delay and faults, all at once."""
    values: dict[str, Any] = body.model_dump(exclude={"faults"})
    faults = {
        call: Fault(kind=FaultKind(fault.kind), times=fault.times)
        for call, fault in body.faults.items()
    }
    behaviour = Behaviour(**values, faults=faults)
    await SimulatedPlatform(runtime.staff.engine, name=_NAME).set_behaviour(behaviour)
    await audit(
        session,
        staff,
        "platform.behave",
        object_type="platform",
        object_id=_NAME,
        after=asdict(behaviour),
    )
    await enqueue(session, REFRESH_CAPACITY, payload={}, dedupe_key=REFRESH_CAPACITY)
    return Response(status_code=204)


@_router.post(
    "/restart-node",
    status_code=204,
    summary="Cut the simulated node's power and bring it back",
    description="Starts what ran before; a suspended VM stays stopped.",
    responses=declare(*_PROBLEMS),
)
async def restart_node(staff: OperatorStaff, runtime: RuntimeDep, session: StaffWrite) -> Response:
    """Rehearse a power cut."""
    await SimulatedPlatform(runtime.staff.engine, name=_NAME).restart_node()
    await audit(session, staff, "platform.restart_node", object_type="platform", object_id=_NAME)
    return Response(status_code=204)


# To be included only where the settings say sandbox.
sandbox_routers = [_router]
