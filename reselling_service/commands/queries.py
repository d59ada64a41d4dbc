"""Every SELECT on commands: for staff, and for the worker, which has no principal but a job."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import column, select, table

from reselling_service.commands.models import Attempt, Command
from reselling_service.commands.rules import CommandStatus
from reselling_service.sellers.models import Seller
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people import StaffPrincipal
from shared.kit.problems import not_found

# The room of services lies above this one; of a service only this is asked.
_SERVICES = table("services", column("id"), column("parked_at"))


async def list_commands(
    session: ReadSession,
    _staff: StaffPrincipal,
    *,
    after: UUID | None,
    limit: int,
    state: CommandStatus | None = None,
    seller_id: UUID | None = None,
    service_id: UUID | None = None,
    unsettled: bool = False,
) -> Sequence[Command]:
    """Up to `limit + 1` commands, oldest first."""
    statement = select(Command).order_by(Command.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(Command.id > after)
    if unsettled:
        statement = statement.where(Command.settled_at.is_(None))
    wished = {
        Command.state: state,
        Command.seller_id: seller_id,
        Command.service_id: service_id,
    }
    filters = [column == value for column, value in wished.items() if value is not None]
    return (await session.scalars(statement.where(*filters))).all()


async def get_command(session: ReadSession, _staff: StaffPrincipal, *, command_id: UUID) -> Command:
    """One command; raises `not_found`."""
    return _found(await session.get(Command, command_id, populate_existing=True))


async def list_attempts(
    session: ReadSession, _staff: StaffPrincipal, *, command_id: UUID
) -> Sequence[Attempt]:
    """The last 100 attempts of a command, newest first."""
    statement = (
        select(Attempt)
        .where(Attempt.command_id == command_id)
        .order_by(Attempt.id.desc())
        .limit(100)
    )
    return (await session.scalars(statement)).all()


async def lock_command(session: WriteSession, *, command_id: UUID) -> Command:
    """One command, held until the transaction ends; raises `not_found`."""
    return _found(
        await session.get(
            Command, command_id, populate_existing=True, with_for_update={"key_share": True}
        )
    )


async def is_parked(session: ReadSession, *, service_id: UUID) -> bool:
    """Whether a command's service is set aside for its books."""
    statement = select(_SERVICES.c.parked_at).where(_SERVICES.c.id == service_id)
    return await session.scalar(statement) is not None


async def list_overdue(session: ReadSession, *, now: datetime, limit: int) -> Sequence[Command]:
    """Open commands whose deadline is over and that nobody has begun to cancel."""
    statement = (
        select(Command)
        .where(
            Command.settled_at.is_(None),
            Command.deadline_at <= now,
            Command.state != CommandStatus.CANCELLING,
        )
        .order_by(Command.deadline_at)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def list_silent(session: ReadSession, *, now: datetime, limit: int) -> Sequence[Command]:
    """Accepted commands of which no event has told for so long that the seller is to be asked."""
    statement = (
        select(Command)
        .join(Seller, Seller.id == Command.seller_id)
        .where(
            Command.state == CommandStatus.ACCEPTED, Command.next_attempt_at <= now, Seller.enabled
        )
        .order_by(Command.next_attempt_at)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def list_accepted(session: ReadSession, *, seller_id: UUID) -> Sequence[Command]:
    """Commands of a seller that wait for their event."""
    statement = (
        select(Command)
        .where(Command.seller_id == seller_id, Command.state == CommandStatus.ACCEPTED)
        .order_by(Command.id)
    )
    return (await session.scalars(statement)).all()


async def list_waiting(session: ReadSession, *, seller_id: UUID) -> Sequence[Command]:
    """Open commands of a seller that are to be sent, or to be cancelled there."""
    statement = (
        select(Command)
        .where(
            Command.seller_id == seller_id,
            Command.settled_at.is_(None),
            Command.state != CommandStatus.ACCEPTED,
        )
        .order_by(Command.id)
    )
    return (await session.scalars(statement)).all()


def _found(row: Command | None) -> Command:
    if row is None:
        raise not_found("command")
    return row
