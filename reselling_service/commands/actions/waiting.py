"""Notes what the seller is doing with a command that hasn't ended, and what is wished of it."""

from sqlalchemy import update

from reselling_service.commands.actions.moving import move
from reselling_service.commands.actions.sending import wake
from reselling_service.commands.models import Command
from reselling_service.commands.rules import (
    END_OF_OPERATION,
    LOOK_UP_AFTER,
    LOOK_UP_SOON,
    CommandStatus,
)
from shared.contract.operations import Operation
from shared.kit.db import WriteSession

_ACCEPTED = (CommandStatus.ACCEPTED,)
_CANCELLING = (CommandStatus.CANCELLING,)


async def accept(session: WriteSession, command: Command, operation: Operation) -> bool:
    """Note the seller's operation; false where an event has settled the command before.

    The event is what ends it; an operation that has ended already is asked about soon, since its
    event may have been told before the command was known to be ours.
    """
    ended = operation.state in END_OF_OPERATION
    now = session.clock.now()
    return await move(
        session,
        command,
        CommandStatus.ACCEPTED,
        operation_id=operation.id,
        operation_state=str(operation.state),
        answered_at=now,
        next_attempt_at=now + (LOOK_UP_SOON if ended else LOOK_UP_AFTER),
    )


async def note_progress(session: WriteSession, command: Command, operation: Operation) -> None:
    """Show how far the seller is with an accepted command, and what holds it up."""
    problem = operation.problem.model_dump(mode="json") if operation.problem else None
    statement = (
        update(Command)
        .where(Command.id == command.id, Command.state == CommandStatus.ACCEPTED)
        .values(operation_state=str(operation.state), problem=problem)
        .execution_options(synchronize_session="fetch")
    )
    await session.execute(statement)


async def wish_cancelled(session: WriteSession, command: Command) -> bool:
    """From now on the command isn't sent again until the seller has said what became of it."""
    return await move(session, command, CommandStatus.CANCELLING)


async def go_on_waiting(session: WriteSession, command: Command) -> None:
    """Wait again: the seller works on it or is done. The deadline has had its chance.

    The caller has just locked the command's row: an answer or a look-up may have come meanwhile.
    """
    now = session.clock.now()
    command.deadline_at = None
    await session.flush()
    if command.operation_id is not None:
        soon = now + LOOK_UP_SOON
        await move(
            session, command, CommandStatus.ACCEPTED, since=_CANCELLING, next_attempt_at=soon
        )
    elif await move(
        session, command, CommandStatus.UNANSWERED, since=_CANCELLING, next_attempt_at=now
    ):
        await wake(session, command)


async def send_again(session: WriteSession, command: Command) -> None:
    """The seller has forgotten what it accepted: the same bytes go out under the same id."""
    if await move(session, command, CommandStatus.UNANSWERED, since=_ACCEPTED):
        await wake(session, command)
