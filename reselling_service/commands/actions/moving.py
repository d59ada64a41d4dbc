"""Moves a command from state to state, as the table of transitions allows; decides nothing."""

from collections.abc import Collection

from sqlalchemy import update
from sqlalchemy.orm.attributes import set_committed_value

from reselling_service.commands.models import Command
from reselling_service.commands.rules import TRANSITIONS, CommandStatus
from shared.kit.db import WriteSession


async def move(
    session: WriteSession,
    command: Command,
    to: CommandStatus,
    *,
    since: Collection[CommandStatus] = tuple(CommandStatus),
    **more: object,
) -> bool:
    """Move a command on from one of `since`; false where it doesn't stand where this may follow."""
    sources = [status for status in since if to in TRANSITIONS[status]]
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
