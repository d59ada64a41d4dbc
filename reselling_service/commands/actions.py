"""What may be done with commands: make one, settle it once, cancel one that never left.

Knows the client's hold by its id only, and nothing of services: whoever made the command hears of
an end that no event tells through a job of kind `command_settled` (payload `command_id`), enqueued
in the same transaction. The room of services has the task for it.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm.attributes import set_committed_value

from reselling_service.commands.models import Attempt, Command
from reselling_service.commands.rules import (
    DEADLINES,
    END_OF_OPERATION,
    LOOK_UP_AFTER,
    LOOK_UP_SOON,
    NO_LIMIT,
    TRANSITIONS,
    CommandStatus,
    path_of,
)
from reselling_service.ledger.models import BOOKS
from shared.contract.basics import CommandKind
from shared.contract.operations import CommandRecord, Operation
from shared.contract.operations import CommandState as RecordState
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import cancel_jobs, enqueue
from shared.kit.telemetry import current_trace

SETTLED_JOB = "command_settled"
FORWARD_JOB = "forward"
CANCEL_JOB = "cancel_command"
LOOK_UP_JOB = "look_up"


async def send_command(
    session: WriteSession,
    *,
    seller_id: UUID,
    client_id: UUID,
    service_id: UUID,
    service_ref: UUID,
    kind: CommandKind,
    body: BaseModel,
    asked_by: str,
    hold_id: UUID | None = None,
    summary: dict[str, Any] | None = None,
) -> Command:
    """Wish something of a seller; it is sent once this transaction has committed.

    The caller holds the service row's lock, so that commands go out in the order they were made.
    `summary` is shown to staff: nothing of the client's content belongs there. `hold_id` is the
    client's money, which is captured or released with the command.
    """
    now = session.clock.now()
    command_id = new_id()
    job_id = await enqueue(
        session,
        FORWARD_JOB,
        payload={"command_id": command_id},
        lane=service_id,
        tenant_id=client_id,
        dedupe_key=f"{FORWARD_JOB}:{command_id}",
        max_attempts=NO_LIMIT,
    )
    last = select(func.coalesce(func.max(Command.sequence), 0) + 1).where(
        Command.service_id == service_id
    )
    time_limit = DEADLINES[kind]
    statement = insert(Command).returning(Command)
    made = await session.scalars(
        statement,
        {
            "id": command_id,
            "sequence": await session.scalar(last),
            "seller_id": seller_id,
            "client_id": client_id,
            "service_id": service_id,
            "service_ref": service_ref,
            "kind": kind.value,
            "asked_by": asked_by,
            "path": path_of(kind, service_ref),
            "body": session.vault.encrypt(body.model_dump_json(by_alias=True).encode()),
            "summary": summary or {},
            "state": CommandStatus.QUEUED,
            "attempts": 0,
            "job_id": job_id,
            "hold_id": hold_id,
            "deadline_at": now + time_limit if time_limit else None,
            "next_attempt_at": now,
            "traceparent": current_trace().header(),
            "created_at": now,
        },
    )
    return made.one()


async def settle(
    session: WriteSession,
    command: Command,
    *,
    state: str,
    problem: dict[str, Any] | None = None,
    operation: Operation | None = None,
) -> bool:
    """End a command and move the client's money with it; false where it has ended before.

    `state` is an end: succeeded captures the hold, every other one releases it. The body is wiped:
    nothing is sent any more. Only a command never attempted may be cancelled without the seller.
    """
    now = session.clock.now()
    values: dict[str, object] = {
        "settled_at": now,
        "next_attempt_at": None,
        "answered_at": func.coalesce(Command.answered_at, now),
        "body": b"",
        "problem": problem,
    }
    if operation is not None:
        values |= {"operation_id": operation.id, "operation_state": str(operation.state)}
    if not await _move(session, command, CommandStatus(state), **values):
        return False
    if command.job_id is not None:
        await cancel_jobs(session, ids=[command.job_id])
    await _close_hold(session, command)
    return True


async def tell(session: WriteSession, command: Command) -> None:
    """Let the room of services know of an end that came by an answer and not by an event."""
    await enqueue(
        session,
        SETTLED_JOB,
        payload={"command_id": command.id},
        tenant_id=command.client_id,
        dedupe_key=f"{SETTLED_JOB}:{command.id}",
    )


async def cancel_unsent(session: WriteSession, command: Command) -> bool:
    """Cancel a command at home; false where it was attempted and so may have arrived."""
    locked = select(Command.attempts).where(Command.id == command.id).with_for_update()
    if await session.scalar(locked) != 0:
        return False
    return await settle(session, command, state=CommandStatus.CANCELLED)


async def begin_attempt(session: WriteSession, command: Command) -> bool:
    """Count an attempt before it is made: from now on only the seller can end the command."""
    return await _move(session, command, CommandStatus.UNANSWERED, attempts=Command.attempts + 1)


async def accept(session: WriteSession, command: Command, operation: Operation) -> bool:
    """Note the seller's operation; false where an event has settled the command before.

    The event is what ends it; an operation that has ended already is asked about soon, since its
    event may have been told before the command was known to be ours.
    """
    ended = operation.state in END_OF_OPERATION
    now = session.clock.now()
    return await _move(
        session,
        command,
        CommandStatus.ACCEPTED,
        operation_id=operation.id,
        operation_state=str(operation.state),
        answered_at=now,
        next_attempt_at=now + (LOOK_UP_SOON if ended else LOOK_UP_AFTER),
    )


async def wish_cancelled(session: WriteSession, command: Command) -> bool:
    """From now on the command isn't sent again until the seller has said what became of it."""
    return await _move(session, command, CommandStatus.CANCELLING)


async def go_on_waiting(session: WriteSession, command: Command) -> None:
    """Wait again: the seller works on it or is done. The deadline has had its chance."""
    now = session.clock.now()
    if command.operation_id is not None:
        soon = now + LOOK_UP_SOON
        await _move(
            session, command, CommandStatus.ACCEPTED, deadline_at=None, next_attempt_at=soon
        )
    elif await _move(
        session, command, CommandStatus.UNANSWERED, deadline_at=None, next_attempt_at=now
    ):
        await wake(session, command)


async def send_again(session: WriteSession, command: Command) -> None:
    """The seller has forgotten what it accepted: the same bytes go out under the same id."""
    if await _move(session, command, CommandStatus.UNANSWERED):
        await wake(session, command)


async def settle_by_record(session: WriteSession, command: Command, record: CommandRecord) -> None:
    """End a command by what the seller remembers of it; an operation under way ends nothing."""
    operation = record.operation
    if record.state == RecordState.CANCELLED:
        settled = await settle(session, command, state=CommandStatus.CANCELLED)
    elif record.state == RecordState.REFUSED:
        problem = record.problem.model_dump(mode="json") if record.problem else None
        settled = await settle(session, command, state=CommandStatus.REFUSED, problem=problem)
    elif operation is None:
        return
    elif operation.state in END_OF_OPERATION:
        problem = operation.problem.model_dump(mode="json") if operation.problem else None
        end = END_OF_OPERATION[operation.state]
        settled = await settle(session, command, state=end, problem=problem, operation=operation)
    else:
        settled = False
        await accept(session, command, operation)
    if settled:
        await tell(session, command)


async def wake(session: WriteSession, command: Command) -> None:
    """Have a command sent now, and not when its back-off is over."""
    await enqueue(
        session,
        FORWARD_JOB,
        payload={"command_id": command.id},
        lane=command.service_id,
        tenant_id=command.client_id,
        dedupe_key=f"{FORWARD_JOB}:{command.id}",
        max_attempts=NO_LIMIT,
    )


async def wish_job(session: WriteSession, kind: str, command: Command) -> None:
    """Have a command cancelled or looked up by the worker, beside the lane of its service."""
    await enqueue(
        session,
        kind,
        payload={"command_id": command.id},
        tenant_id=command.client_id,
        dedupe_key=f"{kind}:{command.id}",
        max_attempts=NO_LIMIT,
    )


async def wait_until(session: WriteSession, command_id: UUID, at: datetime) -> None:
    """Note when the command is tried, or asked about, again."""
    await session.execute(
        update(Command)
        .where(Command.id == command_id, Command.settled_at.is_(None))
        .values(next_attempt_at=at)
        .execution_options(synchronize_session=False)
    )


async def record_attempt(session: WriteSession, command: Command, **found: object) -> None:
    """Keep one sending and what came back: milliseconds, outcome, status, code, detail."""
    row = {
        "id": new_id(),
        "command_id": command.id,
        "client_id": command.client_id,
        "number": command.attempts,
        "at": session.clock.now(),
        **found,
    }
    await session.execute(insert(Attempt).values(row))


async def _move(session: WriteSession, command: Command, to: CommandStatus, **more: object) -> bool:
    """Move a command on; false where it doesn't stand where this may follow."""
    sources = [status for status, onward in TRANSITIONS.items() if to in onward]
    statement = (
        update(Command)
        .where(Command.id == command.id, Command.state.in_(sources))
        .values(state=to, **more)
        .returning(Command)
        .execution_options(synchronize_session=False, populate_existing=True)
    )
    moved = (await session.scalars(statement)).one_or_none()
    if moved is None:
        return False
    for column in Command.__mapper__.column_attrs:
        # The caller may hold a copy that was read in an earlier transaction.
        set_committed_value(command, column.key, getattr(moved, column.key))
    return True


async def _close_hold(session: WriteSession, command: Command) -> None:
    if command.hold_id is None:
        return
    if command.state == CommandStatus.SUCCEEDED:
        await BOOKS.capture(
            session, owner=command.client_id, hold_id=command.hold_id, kind=command.kind
        )
    else:
        await BOOKS.release(session, owner=command.client_id, hold_id=command.hold_id)
