"""The feed of a partner: facts, numbered without gaps, and the cursor that a reader keeps."""

import re
from enum import StrEnum
from uuid import UUID

from pydantic import Field

from shared.contract.basics import Output, Timestamp
from shared.contract.operations import Operation
from shared.contract.services import ServiceStatus

_CURSOR = re.compile(r"^(0|[1-9][0-9]{0,17})-([0-9a-f]{12})$")


class EventType(StrEnum):
    """What happened. Readers keep types that they don't know as text."""

    ACCEPTED = "operation.accepted"
    WAITING = "operation.waiting"
    SUPERSEDED = "operation.superseded"
    CANCELLED = "operation.cancelled"
    FAILED = "operation.failed"
    ACTIVATED = "service.activated"
    RENEWED = "service.renewed"
    SUSPENDED = "service.suspended"
    RESUMED = "service.resumed"
    STARTED = "service.started"
    STOPPED = "service.stopped"
    RESTARTED = "service.restarted"
    RENAMED = "service.renamed"
    TERMINATION_SCHEDULED = "service.termination_scheduled"
    TERMINATED = "service.terminated"
    RESTORED = "service.restored"
    DELETED = "service.deleted"


class Event(Output):
    """One fact with the new public state, so that nobody need call back."""

    number: int
    id: UUID
    cursor: str = Field(description="Read on with `after=<cursor>`.")
    type: EventType | str
    at: Timestamp
    installation_id: UUID | None
    client_ref: UUID | None
    service_ref: UUID | None
    operation_id: UUID | None
    command_id: UUID | None
    traceparent: str | None
    service: ServiceStatus | None
    operation: Operation | None


class EventPage(Output):
    """Events after the cursor, oldest first; `next` is where to read on."""

    items: list[Event]
    next: str | None
    head: str | None


def make_cursor(*, number: int, event_id: UUID) -> str:
    """`<number>-<start of the event's id>`; the random end of a UUIDv7 tells feeds apart."""
    return f"{number}-{event_id.hex[-12:]}"


def read_cursor(text: str) -> tuple[int, str]:
    """The number and the id part of a cursor. Raises ValueError."""
    found = _CURSOR.fullmatch(text)
    if found is None:
        message = "not a cursor: expected <number>-<12 hexadecimal digits>"
        raise ValueError(message)
    return int(found[1]), found[2]
