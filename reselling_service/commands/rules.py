"""How a command may go on, how long it may take, and when it is tried again. No I/O."""

import random
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.contract.basics import CommandKind, OperationState


class CommandStatus(StrEnum):
    """Where a command stands here. The first four are open, the others are ends."""

    QUEUED = "queued"
    UNANSWERED = "unanswered"
    ACCEPTED = "accepted"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"


_ENDS = frozenset(
    {
        CommandStatus.SUCCEEDED,
        CommandStatus.FAILED,
        CommandStatus.REFUSED,
        CommandStatus.SUPERSEDED,
        CommandStatus.CANCELLED,
    }
)

# Once a command was attempted, only the seller's word ends it: an answer, an event, a record.
# A queued one may be ended by an event too: a restored backup doesn't remember its attempts. An
# accepted one is sent again where the seller, restored likewise, has forgotten it.
TRANSITIONS: dict[CommandStatus, frozenset[CommandStatus]] = {
    CommandStatus.QUEUED: frozenset({CommandStatus.UNANSWERED} | _ENDS),
    CommandStatus.UNANSWERED: frozenset(
        {CommandStatus.UNANSWERED, CommandStatus.ACCEPTED, CommandStatus.CANCELLING} | _ENDS
    ),
    CommandStatus.ACCEPTED: frozenset({CommandStatus.UNANSWERED, CommandStatus.CANCELLING} | _ENDS),
    CommandStatus.CANCELLING: frozenset({CommandStatus.UNANSWERED, CommandStatus.ACCEPTED} | _ENDS),
} | {end: frozenset() for end in _ENDS}

_POWER = timedelta(minutes=15)
DEADLINES: dict[CommandKind, timedelta | None] = {
    CommandKind.ORDER: timedelta(hours=24),
    CommandKind.RENEW: None,
    CommandKind.SUSPEND: None,
    CommandKind.RESUME: None,
    CommandKind.START: _POWER,
    CommandKind.STOP: _POWER,
    CommandKind.RESTART: _POWER,
    CommandKind.RENAME: _POWER,
    CommandKind.TERMINATE: None,
    CommandKind.RESTORE: None,
}

END_OF_OPERATION: dict[str, CommandStatus] = {
    OperationState.SUCCEEDED: CommandStatus.SUCCEEDED,
    OperationState.FAILED: CommandStatus.FAILED,
    OperationState.SUPERSEDED: CommandStatus.SUPERSEDED,
    OperationState.CANCELLED: CommandStatus.CANCELLED,
}

# What changes nothing that a suspension or an end decides: these may arrive after it.
_MAY_ARRIVE_LATER = frozenset(
    {
        CommandKind.RENEW,
        CommandKind.START,
        CommandKind.STOP,
        CommandKind.RESTART,
        CommandKind.RENAME,
    }
)

# Sent until they arrive, also while their service is parked: a VM that must not run never does.
NEVER_GIVEN_UP = frozenset({CommandKind.SUSPEND, CommandKind.TERMINATE})
# Jobs of commands outlive every outage: the number is the largest that the column holds.
NO_LIMIT = 2**31 - 1
LOOK_UP_AFTER = timedelta(minutes=2)
LOOK_UP_SOON = timedelta(seconds=10)
LOOK_UP_LONGEST = timedelta(hours=1)
WATCH_EVERY = timedelta(seconds=30)


def path_of(kind: CommandKind, service_ref: UUID) -> str:
    """Where a command is sent, below the contract's base path."""
    return "/services" if kind is CommandKind.ORDER else f"/services/{service_ref}/{kind}"


def overtakes(kind: CommandKind, *, when: str | None, unsent: Collection[str]) -> bool:
    """Whether a command goes out before those of its service that no seller has answered yet.

    A suspension and an end at once do, so that no answer that fails to come keeps a VM running;
    never before an order, a resumption or another end, whose effect depends on which is the later.
    """
    at_once = kind is CommandKind.SUSPEND or (kind is CommandKind.TERMINATE and when == "now")
    return at_once and all(other in _MAY_ARRIVE_LATER for other in unsent)


def next_look_up(*, accepted_at: datetime, now: datetime) -> datetime:
    """When to ask again what became of a command: the longer it takes, the more rarely."""
    return now + min(max(now - accepted_at, LOOK_UP_AFTER), LOOK_UP_LONGEST)


def back_off(attempt: int, *, longest: float, retry_after: float | None = None) -> float:
    """Return the seconds before the next attempt: doubling from half a second, with jitter.

    What the seller asked for is the least; jitter is added, so that many don't come back at once.
    """
    seconds = min(longest, 0.5 * 2.0 ** min(max(attempt - 1, 0), 20))
    jittered = seconds * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    if retry_after is None:
        return jittered
    return max(jittered, retry_after * random.uniform(1.0, 1.1))  # noqa: S311 - jitter
