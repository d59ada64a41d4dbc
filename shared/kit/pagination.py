"""Pages through lists by the id of the last row: stable while rows are inserted.

Cursors are opaque: base64 of the id's bytes. Rows are listed oldest first, by UUIDv7.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from uuid import UUID

from fastapi import Query

from shared.contract.basics import Page
from shared.contract.problems import CURSOR_INVALID
from shared.kit.problems import ProblemError

Limit = Annotated[int, Query(ge=1, le=200, description="How many at the most.")]
After = Annotated[
    str | None, Query(max_length=64, description="`next` of the page before.", examples=[None])
]
DEFAULT_LIMIT = 50

Row = TypeVar("Row")
Item = TypeVar("Item")


def encode_cursor(row_id: UUID) -> str:
    """The cursor after this row."""
    return base64.urlsafe_b64encode(row_id.bytes).decode().rstrip("=")


def decode_cursor(cursor: str | None) -> UUID | None:
    """The id of the last row seen. Raises `cursor_invalid`."""
    if cursor is None:
        return None
    try:
        found = UUID(bytes=base64.urlsafe_b64decode(cursor + "=="))
    except (ValueError, binascii.Error):
        found = None
    # The decoder passes over what isn't base64; a cursor of ours has nothing to pass over.
    if found is None or encode_cursor(found) != cursor:
        detail = "Use the `next` of the page before, or leave `after` out."
        raise ProblemError(CURSOR_INVALID, detail)
    return found


def make_page(
    rows: Sequence[Row],
    *,
    limit: int,
    row_id: Callable[[Row], UUID],
    item: Callable[[Row], Item],
) -> Page[Item]:
    """A page from up to `limit + 1` rows: the extra one only tells that there is more."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(
        items=[item(row) for row in shown],
        next=encode_cursor(row_id(shown[-1])) if more else None,
    )
