"""Remembers commands, answers what became of them, and cancels those that can be."""

from uuid import UUID

from selling_service.services import queries, schemas
from selling_service.services.actions.aftermath import break_off
from selling_service.services.actions.operations import drop_job
from selling_service.services.models import OperationRow, ReceivedCommand
from selling_service.services.rules import EFFECTIVE_AT_ONCE, RUNS_IN
from shared.contract.basics import CommandKind, OperationState
from shared.contract.operations import CommandRecord, CommandState
from shared.contract.problems import COMMAND_NOT_CANCELLABLE, IN_PROGRESS, Problem
from shared.kit.db import ReadSession, WriteSession
from shared.kit.idempotency import Answer, lock_command
from shared.kit.problems import ProblemError, not_found
from shared.kit.telemetry import current_trace


def accepted(operation: OperationRow) -> Answer:
    """202 with the operation and where to watch it."""
    return Answer(
        status=202,
        body=schemas.operation(operation).model_dump(mode="json"),
        headers={"Location": f"/partner/v1/operations/{operation.id}"},
        operation_id=operation.id,
    )


async def replay(session: ReadSession, partner_id: UUID, known: ReceivedCommand) -> Answer:
    """The answer of a command whose first answer is no longer kept: its operation as it is now."""
    if known.operation_id is None:
        body = dict(known.problem or {})
        return Answer(status=int(body.get("status", 409)), body=body)
    operation = await queries.find_operation(session, partner_id, operation_id=known.operation_id)
    if operation is None:
        raise not_found("operation")
    return accepted(operation)


async def read_command(
    session: ReadSession, partner_id: UUID, *, command_id: UUID
) -> CommandRecord:
    """What became of a command. Raises `not_found` where it never arrived."""
    known = await queries.find_received(session, partner_id, command_id=command_id)
    if known is None:
        raise not_found("command")
    operation = None
    if known.operation_id is not None:
        operation = await queries.find_operation(
            session, partner_id, operation_id=known.operation_id
        )
    return CommandRecord(
        command_id=known.command_id,
        state=CommandState(known.state),
        received_at=known.received_at,
        operation=schemas.operation(operation) if operation is not None else None,
        problem=Problem.model_validate(known.problem) if known.problem else None,
    )


async def cancel_command(session: WriteSession, partner_id: UUID, *, command_id: UUID) -> None:
    """Cancel a command: one that never arrived is burned, a queued one is taken back.

    Raises `in_progress`, `command_not_cancellable` with the operation's state.
    """
    if not await lock_command(session, tenant_id=partner_id, command_id=command_id):
        detail = "The command is arriving right now. Ask again in a second."
        raise ProblemError(IN_PROGRESS, detail, headers={"Retry-After": "1"})
    known = await queries.find_received(session, partner_id, command_id=command_id)
    if known is None:
        session.add(_burned(session, partner_id, command_id))
        await session.flush()
        return
    if known.operation_id is not None:
        await _take_back(session, partner_id, known.operation_id)
        known.state = CommandState.CANCELLED
        await session.flush()


def _burned(session: WriteSession, partner_id: UUID, command_id: UUID) -> ReceivedCommand:
    return ReceivedCommand(
        tenant_id=partner_id,
        command_id=command_id,
        state=CommandState.CANCELLED,
        received_at=session.clock.now(),
        traceparent=current_trace().header(),
    )


async def _take_back(session: WriteSession, partner_id: UUID, operation_id: UUID) -> None:
    found = await queries.find_operation(session, partner_id, operation_id=operation_id)
    if found is None:
        raise not_found("operation")
    service = await queries.find_service(
        session, partner_id, service_id=found.service_id, lock=True
    )
    operation = await queries.find_operation(
        session, partner_id, operation_id=operation_id, lock=True
    )
    if service is None or operation is None:
        raise not_found("operation")
    if operation.state == OperationState.CANCELLED:
        return
    kind = CommandKind(operation.kind)
    open_still = operation.finished_at is None and kind not in EFFECTIVE_AT_ONCE
    if kind is CommandKind.ORDER and service.state not in RUNS_IN[kind]:
        open_still = False  # a termination is ending it already
    if not open_still or not await drop_job(session, operation):
        detail = f"Its operation is {operation.state}, so it can't be cancelled."
        blocker = {"operation_id": str(operation.id), "state": operation.state}
        raise ProblemError(COMMAND_NOT_CANCELLABLE, detail, blockers=[blocker])
    await break_off(session, service, operation, OperationState.CANCELLED)
