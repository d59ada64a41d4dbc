"""Decides whether a cursor still stands in a feed. Knows no database and no HTTP."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from selling_service.events.errors import cursor_expired, cursor_invalid, cursor_lost
from shared.contract.events import make_cursor, read_cursor

KEPT = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a feed holds where a cursor points: its head, its oldest kept number, that event."""

    head: int
    oldest: int | None
    event_id: UUID | None


def parse_cursor(cursor: str) -> int:
    """The number of a cursor. Raises `cursor_invalid`."""
    try:
        number, _mark = read_cursor(cursor)
    except ValueError:
        raise cursor_invalid() from None
    return number


def check_cursor(cursor: str, place: Place) -> None:
    """Raises `cursor_lost`, `cursor_expired` where one can't read on from here."""
    number = parse_cursor(cursor)
    if place.event_id is not None:
        if make_cursor(number=number, event_id=place.event_id) != cursor:
            raise cursor_lost()
    elif 0 < number <= place.head and (place.oldest is None or number < place.oldest):
        raise cursor_expired()
    else:
        raise cursor_lost()
