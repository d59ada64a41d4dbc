"""Reads a partner's feed: where a cursor stands, what comes after it, where it ends."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from selling_service.events.models import EventRow, Feed
from selling_service.events.rules import Place, check_cursor, parse_cursor
from shared.contract.events import Event, make_cursor
from shared.kit.db import ReadSession


async def find_start(session: ReadSession, partner_id: UUID, *, cursor: str | None) -> int:
    """The number to read on after; 0 without a cursor.

    Raises `cursor_invalid`, `cursor_lost`, `cursor_expired`.
    """
    if cursor is None:
        return 0
    number = parse_cursor(cursor)
    mine = EventRow.partner_id == partner_id
    statement = select(
        select(Feed.head).where(Feed.partner_id == partner_id).scalar_subquery(),
        select(func.min(EventRow.number)).where(mine).scalar_subquery(),
        select(EventRow.id).where(mine, EventRow.number == number).scalar_subquery(),
    )
    head, oldest, event_id = (await session.execute(statement)).one()
    check_cursor(cursor, Place(head=head or 0, oldest=oldest, event_id=event_id))
    return number


async def list_events(
    session: ReadSession, partner_id: UUID, *, after: int, limit: int
) -> Sequence[EventRow]:
    """Up to `limit` events after this number, oldest first."""
    statement = (
        select(EventRow)
        .where(EventRow.partner_id == partner_id, EventRow.number > after)
        .order_by(EventRow.number)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def find_head(session: ReadSession, partner_id: UUID) -> str | None:
    """The cursor of the feed's last event; None where nothing happened yet."""
    statement = (
        select(EventRow.number, EventRow.id)
        .where(EventRow.partner_id == partner_id)
        .order_by(EventRow.number.desc())
        .limit(1)
    )
    row = (await session.execute(statement)).one_or_none()
    return make_cursor(number=row.number, event_id=row.id) if row else None


def event_of(row: EventRow) -> Event:
    """The wire's shape of an event."""
    return Event.model_validate(
        {
            "number": row.number,
            "id": row.id,
            "cursor": make_cursor(number=row.number, event_id=row.id),
            "type": row.type,
            "at": row.at,
            "installation_id": row.installation_id,
            "client_ref": row.client_ref,
            "service_ref": row.service_ref,
            "operation_id": row.operation_id,
            "command_id": row.command_id,
            "traceparent": row.traceparent,
            **row.body,
        }
    )
