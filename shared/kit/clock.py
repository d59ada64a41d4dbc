"""Tells the time of business: dates, terms, schedules. Leases use the database's own clock.

The only module that may ask the system for the time; in sandbox mode an offset moves it on.
"""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Whoever can say what time it is."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        ...


class SystemClock:
    """The machine's time."""

    def now(self) -> datetime:
        """Aware, in UTC."""
        return datetime.now(UTC)


class SandboxClock:
    """The machine's time moved on by an offset, for rehearsals of renewals and expiry."""

    def __init__(self) -> None:
        self.offset = timedelta(0)

    def now(self) -> datetime:
        """Aware, in UTC, offset included."""
        return datetime.now(UTC) + self.offset

    def advance(self, by: timedelta) -> None:
        """Move on; going back is not offered, since nothing real goes back."""
        if by < timedelta(0):
            message = "a clock only moves on"
            raise ValueError(message)
        self.offset += by
