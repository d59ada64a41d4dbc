"""Decides whether a cursor still stands in a feed, and when a hint goes again.

Knows no database and no HTTP.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from selling_service.events.errors import cursor_expired, cursor_invalid, cursor_lost
from shared.contract.events import make_cursor, read_cursor

OLD_SECRET_KEPT = timedelta(hours=24)
MOST_ENDPOINTS = 10
LONGEST_RETRY_AFTER = 24 * 3600.0
# Seconds between the attempts, over three and a half days.
_PAUSES = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
MOST_ATTEMPTS = len(_PAUSES) + 1


def pause(attempts: int, *, retry_after: float | None) -> float:
    """Seconds until the next attempt after so many, with jitter; at least what was asked for."""
    seconds = _PAUSES[min(attempts, len(_PAUSES)) - 1] * random.uniform(1.0, 1.2)  # noqa: S311 - jitter
    return max(seconds, retry_after or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a feed holds where a cursor points: its head, its oldest kept number, that event."""

    head: int
    oldest: int | None
    event_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is to be sent where; `secrets` sign it, each one."""

    delivery_id: UUID
    endpoint_id: UUID
    number: int
    url: str
    secrets: Sequence[str] = field(repr=False)
    body: str


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
