"""What one side tells of a trace: the rows of its statement as items of a trail."""

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Path

from shared.contract.trail import MOST_ITEMS, TRACE_ID, TrailItem

TraceId = Annotated[
    str,
    Path(
        pattern=TRACE_ID,
        description="Of `X-Trace-Id`, of a problem's `trace_id`, or of a `traceparent`.",
        examples=["4bf92f3577b34da6a3ce929d0e0e4736"],
    ),
]


def trail_items(rows: Sequence[Any], *, side: str) -> tuple[list[TrailItem], bool]:
    """Items from up to `MOST_ITEMS + 1` rows, and whether they are all that there is."""
    items = [
        TrailItem(
            at=row.at,
            side=side,
            kind=row.kind,
            what=row.what,
            outcome=row.outcome,
            detail=row.detail or None,
            id=row.id,
            milliseconds=row.ms,
        )
        for row in rows[:MOST_ITEMS]
    ]
    return items, len(rows) <= MOST_ITEMS
