"""What may be decided of a difference, and from when on. Pure functions."""

from datetime import datetime, timedelta

from shared.kit.problems import ProblemError
from shared.kit.reconciling.errors import NOT_DECIDABLE
from shared.kit.reconciling.finding import Way
from shared.kit.reconciling.tables import DifferenceColumns


def check_decidable(row: DifferenceColumns, way: Way) -> None:
    """Raise `not_decidable` where it is gone, decided already, or this way isn't offered."""
    if row.gone_at is not None:
        raise ProblemError(NOT_DECIDABLE, "The difference is gone; there is nothing to decide.")
    if row.decision in {Way.ADOPT, Way.UNDO}:
        detail = f"It was decided ({row.decision}) and is under way. Look at the next run."
        raise ProblemError(NOT_DECIDABLE, detail)
    if way not in row.ways:
        detail = f"Differences of kind {row.kind} take: {', '.join(row.ways)}."
        raise ProblemError(NOT_DECIDABLE, detail)


def check_grace(row: DifferenceColumns, *, grace: timedelta, now: datetime) -> None:
    """Raise `not_decidable` while the grace of something that nobody knows lasts."""
    until = row.first_seen_at + grace
    if now < until:
        detail = (
            f"It was first seen at {row.first_seen_at.isoformat()}; nothing is deleted before "
            f"{until.isoformat()}. Until then its owner may still turn up."
        )
        raise ProblemError(NOT_DECIDABLE, detail)
