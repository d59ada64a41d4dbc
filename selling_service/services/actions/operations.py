"""Opens and ends operations, and tells the partner's feed about each step.

The service's row must be locked by the caller, so that jobs of one service get their ids in the
order in which they commit. `announce` takes the feed's lock: it comes last in a transaction.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from selling_service.events.actions import emit
from selling_service.services import queries, schemas
from selling_service.services.errors import PLATFORM_WORDS, wrong_state
from selling_service.services.models import OperationRow, ServiceRow
from selling_service.services.rules import ALLOWED, SUPERSEDED_BY_SUSPEND, TRANSITIONS
from shared.contract.basics import CommandKind, OperationState, PowerState, ServiceState
from shared.contract.events import EventType
from shared.contract.problems import ProblemType
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import cancel_jobs, enqueue
from shared.kit.jobs.table import NORMAL, URGENT
from shared.kit.problems import ProblemError
from shared.kit.telemetry import current_request_id, current_trace

OPERATION_JOB = "operation"
# At up to ten minutes between the later ones, about half a day of a platform that is away.
OPERATION_ATTEMPTS = 100
# A VM that must not run is stopped however long its platform stays away.
NEVER_GIVEN_UP = frozenset({CommandKind.SUSPEND, CommandKind.TERMINATE})
# For jobs that nobody would miss if they died: the clocks', and those that clean up.
FOREVER = 10**6


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who asks: an actor (`client`, `partner`, `provider`, a clock), and the command's id."""

    actor: str
    command_id: UUID | None = None


async def open_operation(
    session: WriteSession,
    service: ServiceRow,
    kind: CommandKind,
    wish: Wish,
    *,
    parameters: Mapping[str, Any] | None = None,
    content: bytes | None = None,
    hold_id: UUID | None = None,
    operation_id: UUID | None = None,
) -> OperationRow:
    """A queued operation with its job. A suspend goes before everything that is queued."""
    operation = _new(session, service, kind, wish, operation_id or new_id())
    operation.parameters = dict(parameters or {})
    operation.content = content
    operation.hold_id = hold_id
    operation.job_id = await enqueue(
        session,
        OPERATION_JOB,
        payload={"operation_id": operation.id, "service_id": service.id},
        lane=service.id,
        tenant_id=service.partner_id,
        priority=URGENT if kind is CommandKind.SUSPEND else NORMAL,
        max_attempts=FOREVER if kind in NEVER_GIVEN_UP else OPERATION_ATTEMPTS,
    )
    session.add(operation)
    return operation


def done_at_once(
    session: WriteSession,
    service: ServiceRow,
    kind: CommandKind,
    wish: Wish,
    *,
    result: Mapping[str, Any] | None = None,
    operation_id: UUID | None = None,
) -> OperationRow:
    """An operation that needs no work: it has succeeded already."""
    operation = _new(session, service, kind, wish, operation_id or new_id())
    operation.parameters = {}
    operation.started_at = session.clock.now()
    end(session, operation, OperationState.SUCCEEDED, result=result)
    session.add(operation)
    return operation


def _new(
    session: WriteSession,
    service: ServiceRow,
    kind: CommandKind,
    wish: Wish,
    operation_id: UUID,
) -> OperationRow:
    return OperationRow(
        id=operation_id,
        partner_id=service.partner_id,
        service_id=service.id,
        service_ref=service.service_ref,
        command_id=wish.command_id,
        kind=kind,
        actor=wish.actor,
        state=OperationState.QUEUED,
        progress=0,
        attempts=0,
        request_id=current_request_id(),
        traceparent=current_trace().header(),
        created_at=session.clock.now(),
    )


def end(
    session: WriteSession,
    operation: OperationRow,
    state: OperationState,
    *,
    result: Mapping[str, Any] | None = None,
    problem: ProblemType | None = None,
    internal: str = "",
) -> None:
    """Write the end of an operation; the client's content goes."""
    operation.state = state
    operation.finished_at = session.clock.now()
    operation.result = dict(result) if result is not None else None
    operation.content = None
    if state is OperationState.SUCCEEDED:
        operation.progress = 100
        operation.problem = None
    if problem is not None:
        operation.problem = describe(problem, internal)


def charged(session: WriteSession, amount: int) -> dict[str, Any]:
    """What an operation has cost the partner, as its result tells."""
    return {"amount": int(amount), "currency": session.currency}


def describe(problem: ProblemType, internal: str) -> dict[str, str]:
    """Why an operation failed or waits, as it is kept; `internal` is for staff only."""
    detail = PLATFORM_WORDS[problem.code]
    return {
        "code": problem.code,
        "title": problem.title,
        "detail": detail,
        "internal": internal[:1000],
    }


def remember_power(service: ServiceRow, operation: OperationRow, wanted: PowerState) -> None:
    """Want this power from now on, and keep what was wanted before with the operation."""
    before = operation.parameters.get("wanted_before", service.wanted_power)
    operation.parameters = {**operation.parameters, "wanted_before": before}
    service.wanted_power = wanted


async def forget_power(session: WriteSession, service: ServiceRow, operation: OperationRow) -> None:
    """Want what was wanted before this operation began, if it has begun and nothing outdid it."""
    before = operation.parameters.get("wanted_before")
    if before is not None and not await queries.is_outdone(session, operation):
        service.wanted_power = before


def move(service: ServiceRow, state: ServiceState) -> None:
    """Step to another state, along the table of transitions."""
    now = ServiceState(service.state)
    if now is state:
        return
    if state not in TRANSITIONS[now]:
        message = f"no way from {now} to {state}"
        raise ValueError(message)
    service.state = state


def refuse(kind: CommandKind, state: ServiceState, why: str = "") -> ProblemError:
    """The problem of a wish that this state doesn't take."""
    return wrong_state(kind, state, allowed=ALLOWED[state], why=why)


async def announce(
    session: WriteSession,
    service: ServiceRow,
    type_: EventType,
    operation: OperationRow | None,
) -> None:
    """A new revision of the service, and the event that tells it."""
    service.revision += 1
    await session.flush()
    suspensions = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
    await emit(
        session,
        service.partner_id,
        type=type_,
        installation_id=service.installation_id,
        service=schemas.status(service, suspensions),
        operation=schemas.operation(operation) if operation is not None else None,
    )


async def supersede_queued(
    session: WriteSession,
    service: ServiceRow,
    kinds: Collection[CommandKind] = SUPERSEDED_BY_SUSPEND,
) -> list[OperationRow]:
    """End the queued operations of these kinds; those being worked on are left alone."""
    operations = await queries.open_operations(session, service.partner_id, service_id=service.id)
    ended = []
    for operation in operations:
        if CommandKind(operation.kind) in kinds and await drop_job(session, operation):
            await forget_power(session, service, operation)
            end(session, operation, OperationState.SUPERSEDED)
            ended.append(operation)
    return ended


async def drop_job(session: WriteSession, operation: OperationRow) -> bool:
    """Remove the operation's job; false where somebody works on it right now."""
    if operation.job_id is None:
        return False
    return bool(await cancel_jobs(session, ids=[operation.job_id]))
