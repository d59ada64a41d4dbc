"""Puts right what an operation leaves when it ends otherwise than it was meant.

Money, room, state and wanted power go back in the transaction that ends it; what the platform may
have done meanwhile is set right by a job behind it. Knows nothing of platforms itself.
"""

from collections.abc import Iterable
from uuid import UUID

from selling_service.catalog.actions import release
from selling_service.ledger.models import BOOKS
from selling_service.services import queries
from selling_service.services.actions.operations import (
    FOREVER,
    announce,
    drop_job,
    end,
    forget_power,
    move,
)
from selling_service.services.actions.terminate import DELETE_JOB
from selling_service.services.actions.terms import schedule_expiry
from selling_service.services.models import OperationRow, ServiceRow
from selling_service.services.rules import ENDING, settled_state
from shared.contract.basics import CommandKind, OperationState, ServiceState
from shared.contract.events import EventType
from shared.contract.problems import ProblemType
from shared.kit.db import WriteSession
from shared.kit.jobs import enqueue

DEBT_JOB = "partner_debt"
PURGE_JOB = "service_purge"
ALIGN_JOB = "service_align"


async def undo(session: WriteSession, service: ServiceRow, operation: OperationRow) -> None:
    """Take back what the operation has begun, before it ends as failed or cancelled."""
    kind = CommandKind(operation.kind)
    if kind is CommandKind.ORDER:
        move(service, ServiceState.FAILED)
        service.content = None
        # What an attempt may have built takes its room until it is gone. One that was to be found
        # again is not ours to delete, whatever kept us from finding it.
        built = operation.attempts and not operation.parameters.get("again")
        await (purge_later if built else free_room)(session, service)
        return
    if kind is CommandKind.RESTORE:
        await retain(session, service)
    elif kind is CommandKind.TERMINATE:
        await _live_on(session, service)
    await forget_power(session, service, operation)
    if operation.attempts:
        await align_later(session, service)


async def break_off(
    session: WriteSession,
    service: ServiceRow,
    operation: OperationRow,
    state: OperationState,
    *,
    problem: ProblemType | None = None,
    internal: str = "",
) -> None:
    """End an operation that came to nothing: what it began and its money go back, and all hear.

    The service's row is locked, and nobody works on the operation any more.
    """
    await undo(session, service, operation)
    end(session, operation, state, problem=problem, internal=internal)
    await session.flush()
    await settle_up(session, service, operation)
    cancelled = state is OperationState.CANCELLED
    told = EventType.CANCELLED if cancelled else EventType.FAILED
    await announce(session, service, told, operation)


async def _live_on(session: WriteSession, service: ServiceRow) -> None:
    """A termination came to nothing: the clock, which had left the service alone, runs again."""
    if service.state == ServiceState.TERMINATED:
        return
    if service.state == ServiceState.TERMINATING:
        rows = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
        built = service.activated_at is not None
        move(service, settled_state(suspended=bool(rows)) if built else ServiceState.PROVISIONING)
    if service.activated_at is not None:
        await schedule_expiry(session, service)


async def settle_up(session: WriteSession, service: ServiceRow, operation: OperationRow) -> None:
    """Release the hold of what came to nothing; then, locks being ordered so, look at debts."""
    await give_back(session, operation)
    if operation.kind in ENDING:
        await follow_debts(session, service)


async def follow_debts(session: WriteSession, service: ServiceRow) -> None:
    """Have the ledger look at a service that it had left alone while it was ending."""
    await enqueue(
        session,
        DEBT_JOB,
        payload={"partner_id": service.partner_id},
        tenant_id=service.partner_id,
        dedupe_key=f"partner_debt:{service.partner_id}",
        max_attempts=FOREVER,
    )


async def give_back(session: WriteSession, operation: OperationRow) -> None:
    """Release the operation's hold."""
    if operation.hold_id is not None:
        await BOOKS.release(session, owner=operation.partner_id, hold_id=operation.hold_id)


async def purged(session: WriteSession, partner_id: UUID, *, service_id: UUID) -> None:
    """The VM is gone for good, so that another fits in its place."""
    service = await queries.find_service(session, partner_id, service_id=service_id, lock=True)
    if service is not None:
        await free_room(session, service)


async def free_room(session: WriteSession, service: ServiceRow) -> None:
    """Give back stock and capacity, once.

    Against the house's order of locks the service is locked already. That is safe here: whoever
    holds stock or capacity (an order) waits for no service that exists.
    """
    if not service.holds_room:
        return
    service.holds_room = False
    await release(
        session,
        tariff_id=service.tariff_id,
        data_center_id=service.data_center_id,
        vcpu=service.vcpu,
        ram_mib=service.ram_mib,
        disk_gib=service.disk_gib,
    )


async def retain(session: WriteSession, service: ServiceRow) -> None:
    """Arm the deletion for when the retention is over."""
    if service.delete_at is not None:
        await enqueue(
            session,
            DELETE_JOB,
            payload={"service_id": service.id},
            tenant_id=service.partner_id,
            run_at=service.delete_at,
            dedupe_key=f"delete:{service.id}",
            max_attempts=FOREVER,
        )


async def purge_later(session: WriteSession, service: ServiceRow) -> None:
    """Have the VM deleted from its platform, after whatever runs in this lane."""
    await _later(session, service, PURGE_JOB, max_attempts=FOREVER)


async def align_later(session: WriteSession, service: ServiceRow) -> None:
    """Have the VM made to agree with the books, after whatever runs in this lane."""
    await _later(session, service, ALIGN_JOB, max_attempts=FOREVER)


async def _later(
    session: WriteSession, service: ServiceRow, kind: str, *, max_attempts: int
) -> None:
    await enqueue(
        session,
        kind,
        payload={"service_id": service.id},
        lane=service.id,
        tenant_id=service.partner_id,
        max_attempts=max_attempts,
    )


async def leave_behind(
    session: WriteSession, service: ServiceRow, operations: Iterable[OperationRow]
) -> None:
    """End operations that waited for staff when a termination overtook them."""
    for operation in operations:
        if not await drop_job(session, operation):
            continue
        await forget_power(session, service, operation)
        order = operation.kind == CommandKind.ORDER
        end(session, operation, OperationState.CANCELLED if order else OperationState.SUPERSEDED)
        await session.flush()
        await give_back(session, operation)
        told = EventType.CANCELLED if order else EventType.SUPERSEDED
        await announce(session, service, told, operation)
