"""Ends commands, each once, and moves the client's money with the end.

Knows the hold by its id only, and nothing of services: whoever made the command hears of an end
that no event tells through a job of kind `command_settled` (payload `command_id`), enqueued in the
same transaction. The room of services has the task for it.
"""

from typing import Any

from sqlalchemy import func, select

from reselling_service.commands.actions.moving import move
from reselling_service.commands.actions.waiting import accept, note_progress
from reselling_service.commands.models import Command
from reselling_service.commands.rules import END_OF_OPERATION, NO_LIMIT, CommandStatus
from reselling_service.ledger.models import BOOKS
from shared.contract.operations import CommandRecord, Operation
from shared.contract.operations import CommandState as RecordState
from shared.kit.db import WriteSession
from shared.kit.jobs import cancel_jobs, enqueue

SETTLED_JOB = "command_settled"


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
    values: dict[str, Any] = {
        "settled_at": now,
        "next_attempt_at": None,
        "answered_at": func.coalesce(Command.answered_at, now),
        "body": b"",
        "problem": problem,
    }
    if operation is not None:
        values |= {"operation_id": operation.id, "operation_state": str(operation.state)}
    if not await move(session, command, CommandStatus(state), **values):
        return False
    if command.job_id is not None:
        await cancel_jobs(session, ids=[command.job_id])
    await _close_hold(session, command)
    return True


async def cancel_unsent(session: WriteSession, command: Command) -> bool:
    """Cancel a command at home; false where it was attempted and so may have arrived."""
    locked = select(Command.attempts).where(Command.id == command.id).with_for_update()
    if await session.scalar(locked) != 0:
        return False
    return await settle(session, command, state=CommandStatus.CANCELLED)


async def settle_by_record(session: WriteSession, command: Command, record: CommandRecord) -> None:
    """End a command by what the seller remembers of it; an operation under way ends nothing.

    The caller has just locked the command's row.
    """
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
        # One that is to be cancelled goes on being so until the seller answers to that.
        if command.state == CommandStatus.UNANSWERED:
            await accept(session, command, operation)
        await note_progress(session, command, operation)
    if settled:
        await tell(session, command)


async def tell(session: WriteSession, command: Command) -> None:
    """Let the room of services know of an end that came by an answer and not by an event."""
    await enqueue(
        session,
        SETTLED_JOB,
        payload={"command_id": command.id},
        tenant_id=command.client_id,
        dedupe_key=f"{SETTLED_JOB}:{command.id}",
        # Nobody else tells: given up, the service would wait for a word that never comes.
        max_attempts=NO_LIMIT,
    )


async def _close_hold(session: WriteSession, command: Command) -> None:
    if command.hold_id is None:
        return
    if command.state == CommandStatus.SUCCEEDED:
        await BOOKS.capture(
            session, owner=command.client_id, hold_id=command.hold_id, kind=command.kind
        )
    else:
        await BOOKS.release(session, owner=command.client_id, hold_id=command.hold_id)
