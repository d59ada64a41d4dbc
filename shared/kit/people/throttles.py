"""Counts attempts in the database, so that a limit holds over all processes of an API.

Knows keys and figures, not what is attempted. Whoever was refused has not been counted, so that
hammering on a closed door makes nothing worse for anybody.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.contract.problems import RATE_LIMITED
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people.tables import LockoutColumns
from shared.kit.problems import ProblemError

_MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """`most` attempts; then one after `first`, the next after twice that, up to `longest`.

    After `quiet` without an attempt all is forgotten.
    """

    most: int
    first: timedelta
    longest: timedelta
    quiet: timedelta


class Throttle:
    """Attempts under keys of a table."""

    def __init__(self, table: type[LockoutColumns]) -> None:
        self.table = table

    async def take(
        self, session: WriteSession, key: bytes, limit: Limit, *, enforced: bool = True
    ) -> bool:
        """Count an attempt; false where it must wait, and wasn't counted.

        Not `enforced`, it is counted whatever the limit says. The row is locked till the end of
        the transaction, so that attempts at once count one after the other.
        """
        table, now = self.table, session.clock.now()
        forgotten = table.last_at <= now - limit.quiet
        statement = insert(table).values(login_hash=key, attempts=1, last_at=now)
        may = or_(table.attempts < limit.most, forgotten, self._free_at(limit) <= now)
        counted = await session.scalar(
            statement.on_conflict_do_update(
                index_elements=["login_hash"],
                set_={
                    "attempts": case((forgotten, 1), else_=table.attempts + 1),
                    "last_at": now,
                },
                where=may if enforced else None,
            ).returning(table.attempts)
        )
        return counted is not None

    async def give_back(self, session: WriteSession, key: bytes) -> None:
        """Take one attempt back: it turned out to be a good one."""
        table = self.table
        fewer = update(table).where(table.login_hash == key).values(attempts=table.attempts - 1)
        gone = delete(table).where(table.login_hash == key, table.attempts <= 0)
        await session.execute(fewer.execution_options(synchronize_session=False))
        await session.execute(gone.execution_options(synchronize_session=False))

    async def seconds_to_wait(self, session: ReadSession, key: bytes, limit: Limit) -> int:
        """How long until one more attempt may be made; at least 1."""
        table = self.table
        statement = select(self._free_at(limit)).where(table.login_hash == key)
        free_at: datetime | None = await session.scalar(statement)
        left = (free_at - session.clock.now()).total_seconds() if free_at else 0
        return max(1, math.ceil(left))

    def _free_at(self, limit: Limit) -> ColumnElement[datetime]:
        table = self.table
        doublings = func.least(func.greatest(table.attempts - limit.most, 0), _MOST_DOUBLINGS)
        seconds = func.least(
            limit.longest.total_seconds(), limit.first.total_seconds() * func.power(2, doublings)
        )
        # Years, months, weeks, days, hours and minutes are none; seconds come last.
        found: ColumnElement[datetime] = table.last_at + func.make_interval(
            0, 0, 0, 0, 0, 0, seconds
        )
        return found


def too_often(detail: str, seconds: int) -> ProblemError:
    """The answer to who must wait."""
    return ProblemError(RATE_LIMITED, detail, headers={"Retry-After": str(seconds)})
