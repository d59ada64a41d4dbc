"""Carries out what the desk has decided: adopt how a VM stands, or undo it. Always audited."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

from selling_service.reconciliation.models import DESK
from selling_service.reconciliation.rules import Kind
from selling_service.services import queries
from selling_service.services.actions.aftermath import align_later, purge_later
from selling_service.services.actions.operations import Wish, announce
from selling_service.services.actions.terminate import terminate
from selling_service.services.models import ServiceRow
from selling_service.services.rules import Side
from selling_service.staff.actions import audit
from shared.contract.basics import Actor, PowerState, TerminateWhen
from shared.contract.events import EventType
from shared.kit.db import WriteSession
from shared.kit.jobs import enqueue
from shared.kit.people import StaffPrincipal
from shared.kit.problems import ProblemError
from shared.kit.reconciling import DifferenceColumns, Way, decide, lock_difference
from shared.kit.reconciling.errors import NOT_DECIDABLE
from shared.kit.reconciling.rules import check_decidable, check_grace

DELETE_STRAY_JOB = "delete_stray_vm"
FOREVER = 10**6
Carry = Callable[[WriteSession, DifferenceColumns], Awaitable[None]]


async def decide_difference(
    session: WriteSession,
    staff: StaffPrincipal,
    way: Way,
    *,
    difference_id: UUID,
    reason: str,
    grace: timedelta,
) -> DifferenceColumns:
    """Adopt or undo. Raises `not_found`, `not_decidable`, `wrong_state`."""
    row = await lock_difference(session, DESK, difference_id=difference_id)
    check_decidable(row, way)
    if row.kind == Kind.VM_OF_NO_SERVICE:
        check_grace(row, grace=grace, now=session.clock.now())
    await _CARRIED_OUT[Kind(row.kind), way](session, row)
    await decide(session, row, staff, way, reason=reason)
    await audit(
        session,
        staff,
        f"difference.{way}",
        object_type="difference",
        object_id=row.id,
        after={"kind": row.kind, "refs": row.refs, "reason": reason},
    )
    return row


async def _service(session: WriteSession, row: DifferenceColumns) -> ServiceRow:
    service = await queries.find_service(
        session, None, service_id=UUID(row.refs["service"]), lock=True
    )
    if service is None:
        raise ProblemError(NOT_DECIDABLE, "The service is gone. Compare again.")
    return service


async def _align(session: WriteSession, row: DifferenceColumns) -> None:
    await align_later(session, await _service(session, row))


async def _purge(session: WriteSession, row: DifferenceColumns) -> None:
    await purge_later(session, await _service(session, row))


async def _end(session: WriteSession, row: DifferenceColumns) -> None:
    """The VM is lost: the service ends, in the provider's name."""
    service = await _service(session, row)
    wish = Wish(actor=Actor.PROVIDER)
    await terminate(session, service, when=TerminateWhen.NOW, side=Side.PROVIDER, wish=wish)


async def _take_power(session: WriteSession, row: DifferenceColumns) -> None:
    """The books want the VM as it stands."""
    service = await _service(session, row)
    power = PowerState(row.evidence["platform"]["power"])
    service.power = service.wanted_power = power
    started = power is PowerState.RUNNING
    await announce(session, service, EventType.STARTED if started else EventType.STOPPED, None)


async def _delete_stray(session: WriteSession, row: DifferenceColumns) -> None:
    await enqueue(
        session,
        DELETE_STRAY_JOB,
        payload={
            "platform": row.refs["platform"],
            "vm": row.refs["vm"],
            "account": row.refs["account"],
        },
        dedupe_key=f"{DELETE_STRAY_JOB}:{row.refs['vm']}",
        max_attempts=FOREVER,
    )


_CARRIED_OUT: dict[tuple[Kind, Way], Carry] = {
    (Kind.VM_OF_NO_SERVICE, Way.UNDO): _delete_stray,
    (Kind.VM_MISSING, Way.ADOPT): _end,
    (Kind.VM_LEFT_OVER, Way.UNDO): _purge,
    (Kind.VM_LOCKED_THOUGH_ACTIVE, Way.UNDO): _align,
    (Kind.VM_POWER, Way.ADOPT): _take_power,
    (Kind.VM_POWER, Way.UNDO): _align,
}
