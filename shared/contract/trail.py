"""The trail of one wish: everything that happened under one trace id, in the order of time.

What the seller tells of it is the partner's own: names of steps, outcomes and codes, no words of
the platform.
"""

from enum import StrEnum
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


def merge(*parts: list[TrailItem]) -> list[TrailItem]:
    """The items of several sources in the order of time."""
    return sorted((item for part in parts for item in part), key=lambda item: item.at)
