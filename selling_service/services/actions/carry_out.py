"""Begins and completes operations whose turn has come: the two transactions around the platform.

`begin` decides once more whether the operation still makes sense and takes a fence; `complete_*`
records what the platform did. Between them nothing is locked and no connection is held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from selling_service.ledger.models import BOOKS
from selling_service.provisioning.platform import Power, VMSize, VMState, mark_of
from selling_service.services import queries
from selling_service.services.actions.aftermath import (
    break_off,
    follow_debts,
    leave_behind,
    retain,
    settle_up,
)
from selling_service.services.actions.attempts import close_attempt, open_attempt
from selling_service.services.actions.clocks import in_debt
from selling_service.services.actions.operations import (
    announce,
    charged,
    describe,
    end,
    forget_power,
    move,
    remember_power,
)
from selling_service.services.actions.terminate import cancel_scheduled
from selling_service.services.actions.terms import (
    add_term,
    lift_expired,
    schedule_expiry,
    stop_expiry,
)
from selling_service.services.errors import DESPITE_PARKING
from selling_service.services.models import OperationRow, ServiceRow
from selling_service.services.rules import ENDING, Side, may_run, running_now, settled_state
from shared.contract.basics import CommandKind, OperationState, PowerState, ServiceState
from shared.contract.events import EventType
from shared.contract.problems import ProblemType
from shared.kit.db import WriteSession
from shared.kit.jobs import Job, JobLost, SetAside, cancel_jobs
from shared.kit.jobs.queue import is_mine


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What the worker needs to know to act on the platform, read under the service's lock."""

    kind: CommandKind
    operation_id: UUID
    service_id: UUID
    partner_id: UUID
    account_id: UUID
    data_center_id: UUID
    size: VMSize
    image: str
    hostname: str = field(repr=False)
    content: str | None = field(repr=False)
    fence: int
    suspended: bool
    running: bool
    exists: bool
    side: str
    mark: str
    again: bool


async def begin(session: WriteSession, job: Job) -> Assignment | None:
    """Start an attempt; None where nothing is left to do.

    Raises JobLost where it isn't ours, SetAside where the service is parked.
    """
    service, operation = await _locked(session, job)
    if not await is_mine(session, job):
        raise JobLost(job.kind, job.id)
    if operation.finished_at is not None:
        return None
    suspensions = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
    kind = CommandKind(operation.kind)
    state = ServiceState(service.state)
    outdone = await queries.is_outdone(session, operation)
    if outdone or not may_run(kind, state=state, suspended=bool(suspensions)):
        await forget_power(session, service, operation)
        if kind in ENDING:
            await schedule_expiry(session, service)
        end(session, operation, OperationState.SUPERSEDED)
        await session.flush()
        await settle_up(session, service, operation)
        await announce(session, service, EventType.SUPERSEDED, operation)
        return None
    if service.parked_at is not None and kind not in DESPITE_PARKING:
        raise SetAside("its service is parked")
    exists = state not in {ServiceState.ORDERED, ServiceState.PROVISIONING}
    _enter(service, operation, kind, at=session.clock.now())
    await open_attempt(session, service, job, operation)
    service.fence += 1
    actors = [row.actor for row in suspensions]
    return _assignment(session, service, operation, suspensions=actors, exists=exists)


def _assignment(
    session: WriteSession,
    service: ServiceRow,
    operation: OperationRow,
    *,
    suspensions: Sequence[str],
    exists: bool,
) -> Assignment:
    kind = CommandKind(operation.kind)
    hostname = operation.content if kind is CommandKind.RENAME else None
    wanted = PowerState(service.wanted_power)
    return Assignment(
        kind=kind,
        operation_id=operation.id,
        service_id=service.id,
        partner_id=service.partner_id,
        account_id=service.account_id,
        data_center_id=service.data_center_id,
        size=VMSize(
            vcpu=service.vcpu,
            ram_mib=service.ram_mib,
            disk_gib=service.disk_gib,
            ipv4=service.ipv4,
        ),
        image=service.image,
        hostname=session.vault.decrypt_text(hostname or service.hostname),
        content=session.vault.decrypt_text(service.content) if service.content else None,
        fence=service.fence,
        suspended=bool(suspensions),
        running=running_now(suspensions=suspensions, wanted_power=wanted),
        exists=exists,
        side=str(operation.parameters.get("side", "partner")),
        mark=mark_of(service.partner_id, service.service_ref),
        again=bool(operation.parameters.get("again")),
    )


async def _locked(session: WriteSession, job: Job) -> tuple[ServiceRow, OperationRow]:
    service = await queries.find_service(
        session, job.tenant_id, service_id=UUID(job.payload["service_id"]), lock=True
    )
    operation = await queries.find_operation(
        session, job.tenant_id, operation_id=UUID(job.payload["operation_id"]), lock=True
    )
    if service is None or operation is None:
        message = "a job without its operation"
        raise LookupError(message)
    return service, operation


def _enter(
    service: ServiceRow, operation: OperationRow, kind: CommandKind, *, at: datetime
) -> None:
    """States that are entered when the work begins."""
    operation.state = OperationState.RUNNING
    operation.attempts += 1
    operation.started_at = operation.started_at or at
    before = (service.state, service.wanted_power)
    if kind is CommandKind.ORDER:
        move(service, ServiceState.PROVISIONING)
    elif kind is CommandKind.TERMINATE and service.state != ServiceState.TERMINATED:
        move(service, ServiceState.TERMINATING)
    elif kind in {CommandKind.START, CommandKind.RESTART}:
        remember_power(service, operation, PowerState.RUNNING)
    elif kind is CommandKind.STOP:
        remember_power(service, operation, PowerState.STOPPED)
    if (service.state, service.wanted_power) != before:
        service.revision += 1


async def complete(
    session: WriteSession, job: Job, vm: VMState | None, *, retention: timedelta
) -> None:
    """Record that the platform has done it."""
    service, operation = await _locked(session, job)
    suspensions = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
    suspended = bool(suspensions)
    _note_vm(service, vm)
    kind = CommandKind(operation.kind)
    resumed = None
    if kind is CommandKind.ORDER:
        told = await _activated(session, service, operation, vm, suspended=suspended)
    elif kind is CommandKind.TERMINATE:
        told = await _terminated(session, service, operation, retention)
    elif kind is CommandKind.RESTORE:
        resumed = await _restored(session, service, operation, suspended=suspended)
        told = EventType.RESTORED
    else:
        told = _switched(service, operation, kind, suspended=suspended)
    running = service.power == PowerState.RUNNING
    blockers = [{"actor": row.actor, "reason": row.reason} for row in suspensions]
    result: dict[str, Any] = {"running": running, "blockers": blockers}
    if operation.hold_id is not None:
        amount = operation.parameters["total" if kind is CommandKind.ORDER else "amount"]
        result["charged"] = charged(session, amount)
    end(session, operation, OperationState.SUCCEEDED, result=result)
    await session.flush()
    await close_attempt(session, job, "done")
    await _settle_hold(session, service, operation)
    await announce(session, service, told, operation)
    if resumed is not None:
        await announce(session, service, EventType.ACCEPTED, resumed)


async def _settle_hold(session: WriteSession, service: ServiceRow, operation: OperationRow) -> None:
    """Capture the operation's hold; then, as the ledger does, have debts looked at.

    A capture is never refused: where the limit was lowered since the hold, it makes a debt.
    """
    owner, hold_id = service.partner_id, operation.hold_id
    if hold_id is not None:
        kind = "order" if operation.kind == CommandKind.ORDER else "renewal"
        await BOOKS.capture(session, owner=owner, hold_id=hold_id, kind=kind)
    restored = operation.kind == CommandKind.RESTORE
    if restored or (hold_id is not None and await in_debt(session, owner)):
        await follow_debts(session, service)


def _note_vm(service: ServiceRow, vm: VMState | None) -> None:
    service.power = _power(vm)
    if vm is not None:
        # A VM that was found again has seen more than these books know of.
        service.fence = max(service.fence, vm.fence)


def _power(vm: VMState | None) -> PowerState:
    return PowerState.RUNNING if vm and vm.power is Power.RUNNING else PowerState.STOPPED


async def _activated(
    session: WriteSession,
    service: ServiceRow,
    operation: OperationRow,
    vm: VMState | None,
    *,
    suspended: bool,
) -> EventType:
    service.addresses = list(vm.addresses) if vm else []
    service.content = None
    await add_term(
        session,
        service,
        amount=int(operation.parameters["total"]),
        first_from=session.clock.now(),
    )
    if operation.parameters.get("again") and vm is not None and not vm.locked:
        # Found again as its client left it.
        service.wanted_power = service.power
    move(service, settled_state(suspended=suspended))
    return EventType.ACTIVATED


async def _terminated(
    session: WriteSession,
    service: ServiceRow,
    operation: OperationRow,
    retention: timedelta,
) -> EventType:
    now = session.clock.now()
    # What the provider has ended stays the provider's, unless a restore lay between.
    sides = {service.terminated_by, operation.parameters.get("side")}
    await cancel_scheduled(session, service)
    move(service, ServiceState.TERMINATED)
    service.power = PowerState.STOPPED
    service.terminated_at = now
    service.terminated_by = Side.PROVIDER if Side.PROVIDER in sides else Side.PARTNER
    # What was never active is of no use to anybody: it isn't retained.
    service.delete_at = now if service.activated_at is None else now + retention
    await stop_expiry(session, service)
    await retain(session, service)
    pending = await queries.open_operations(session, service.partner_id, service_id=service.id)
    await leave_behind(session, service, [row for row in pending if _precedes(row, operation)])
    return EventType.TERMINATED


def _precedes(row: OperationRow, other: OperationRow) -> bool:
    return row.job_id is not None and other.job_id is not None and row.job_id < other.job_id


async def _restored(
    session: WriteSession, service: ServiceRow, operation: OperationRow, *, suspended: bool
) -> OperationRow | None:
    """Alive again; the resume that follows where the renewal lifts `expired`."""
    service.terminated_at = service.terminated_by = service.delete_at = None
    move(service, settled_state(suspended=suspended))
    # A termination that this restore waited for has armed it again.
    await cancel_jobs(session, dedupe_key=f"delete:{service.id}")
    if operation.hold_id is None:
        await schedule_expiry(session, service)
        return None
    amount = int(operation.parameters["amount"])
    await add_term(session, service, amount=amount, restored_at=session.clock.now())
    return await lift_expired(session, service)


_TOLD = {
    CommandKind.SUSPEND: EventType.SUSPENDED,
    CommandKind.RESUME: EventType.RESUMED,
    CommandKind.START: EventType.STARTED,
    CommandKind.STOP: EventType.STOPPED,
    CommandKind.RESTART: EventType.RESTARTED,
    CommandKind.RENAME: EventType.RENAMED,
}


def _switched(
    service: ServiceRow,
    operation: OperationRow,
    kind: CommandKind,
    *,
    suspended: bool,
) -> EventType:
    if kind is CommandKind.RENAME and operation.content is not None:
        service.hostname = operation.content
    if service.state in {ServiceState.ACTIVE, ServiceState.SUSPENDED}:
        move(service, settled_state(suspended=suspended))
    return _TOLD[kind]


async def fail(session: WriteSession, job: Job, problem: ProblemType, internal: str) -> None:
    """End an operation for good. A failed order gives back its money and its room."""
    service, operation = await _locked(session, job)
    if operation.finished_at is not None:
        return
    await close_attempt(session, job, "failed", problem=problem, internal=internal)
    await break_off(
        session, service, operation, OperationState.FAILED, problem=problem, internal=internal
    )


async def wait(session: WriteSession, job: Job, problem: ProblemType, internal: str) -> None:
    """The platform is away: the operation is held and tried again. Told once."""
    service, operation = await _locked(session, job)
    if operation.finished_at is not None:
        return
    await close_attempt(session, job, "waiting", problem=problem, internal=internal)
    told_before = operation.problem is not None
    operation.state = OperationState.WAITING
    operation.problem = describe(problem, internal)
    if not told_before:
        await announce(session, service, EventType.WAITING, operation)
