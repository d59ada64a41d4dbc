"""A type for times that people send: aware, and within what databases and calendars reckon with."""

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator

from shared.contract.basics import GivenTime

_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _in_our_times(value: datetime) -> datetime:
    if not _EARLIEST <= value <= _LATEST:
        message = "a time between the years 2000 and 2200 is wanted"
        raise ValueError(message)
    return value.astimezone(UTC)


Moment = Annotated[GivenTime, AfterValidator(_in_our_times)]
