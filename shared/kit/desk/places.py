"""Pages through what stands on a desk: by time, then by id. Cursors are opaque."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from shared.contract.basics import Page
from shared.contract.problems import CURSOR_INVALID
from shared.kit.problems import ProblemError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a list that is ordered by time, then by id."""

    since: datetime
    id: UUID


def read_place(cursor: str | None) -> Place | None:
    """The place after which to go on. Raises `cursor_invalid`."""
    if cursor is None:
        return None
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True)
        since = _EPOCH + int.from_bytes(packed[:8], "big", signed=True) * _MICROSECOND
        return Place(since=since, id=UUID(bytes=packed[8:]))
    except (ValueError, OverflowError, binascii.Error) as error:
        detail = "Use the `next` of the page before, or leave `after` out."
        raise ProblemError(CURSOR_INVALID, detail) from error


def desk_page(rows: Sequence[Any], *, limit: int, item: Callable[[Any], Item]) -> Page[Item]:
    """A page from up to `limit + 1` rows: the extra one only tells that there is more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[item(row) for row in shown], next=_cursor(shown[-1]) if more else None)


def _cursor(row: Any) -> str:  # noqa: ANN401 - a row of the desk's statement
    micros = (row.since - _EPOCH) // _MICROSECOND
    packed = micros.to_bytes(8, "big", signed=True) + row.id.bytes
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")
