"""The trail of one wish: everything that happened under one trace id, in the order of time.

What the seller tells of it is the partner's own: names of steps, outcomes and codes, no words of
the platform.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from uuid import UUID

from pydantic import Field

from shared.contract.basics import Output, Timestamp

MOST_ITEMS = 1_000
TRACE_ID = r"^[0-9a-f]{32}$"


class TrailKind(StrEnum):
    """What an item of a trail is. Readers keep kinds that they don't know as text."""

    AUDIT = "audit"
    COMMAND = "command"
    SENDING = "sending"
    RECEIVED = "received"
    OPERATION = "operation"
    ATTEMPT = "attempt"
    CALL = "call"
    MONEY = "money"
    EVENT = "event"
    JOB = "job"


class TrailItem(Output):
    """One thing that happened. `what` names it: the kind of a command, a call, an event."""

    at: Timestamp
    side: str = Field(description="selling or reselling", examples=["selling"])
    kind: TrailKind | str
    what: str = Field(examples=["create_vm"])
    outcome: str | None = Field(examples=["unavailable"])
    detail: str | None
    id: UUID | None = Field(description="Of what it happened to: command, operation, hold, …")
    milliseconds: int | None


class Trail(Output):
    """What one side knows of a trace, oldest first. `complete` is false where there is more."""

    trace_id: str
    items: list[TrailItem]
    complete: bool


def clock_ahead(ours: list[TrailItem], theirs: list[TrailItem]) -> timedelta:
    """How far the seller's clock is ahead of ours for certain, negative where it is behind.

    A command can't be received before its first sending began, and is received before the last one
    ended, unless the answer was waited for in vain. What lies between tells nothing: zero.
    """
    began: dict[UUID | None, datetime] = {}
    ended: dict[UUID | None, datetime] = {}
    for item in ours:
        if item.kind == TrailKind.SENDING:
            end = item.at + timedelta(milliseconds=item.milliseconds or 0)
            began[item.id] = min(item.at, began.get(item.id, item.at))
            ended[item.id] = max(end, ended.get(item.id, end))
    gaps = [
        item.at - min(max(item.at, began[item.id]), ended[item.id])
        for item in theirs
        if item.kind == TrailKind.RECEIVED and item.id in began
    ]
    return max(gaps, key=abs, default=timedelta(0))


def merge(ours: list[TrailItem], *theirs: list[TrailItem]) -> list[TrailItem]:
    """The items of all sources in the order of our time; each keeps its own side's."""
    placed = [(item.at, item) for item in ours]
    for items in theirs:
        ahead = clock_ahead(ours, items)
        placed += [(item.at - ahead, item) for item in items]
    return [item for _, item in sorted(placed, key=itemgetter(0))]
