"""Opens, finds and ends sessions of people, of staff and of clients alike.

A session ends at its time, when nobody uses it, and when its owner or their house says so. Its
token is shown once and kept as a hash.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar, cast
from uuid import UUID

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.orm import InstrumentedAttribute

from shared.kit.callers import CallerInfo
from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.keys import hash_secret, make_session_token
from shared.kit.people.tables import SessionColumns
from shared.kit.problems import not_found

# How stale `seen_at` may be: a write for each request would cost more than it tells.
SEEN_EVERY = timedelta(minutes=1)
Row = TypeVar("Row", bound=SessionColumns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A login that succeeded; the token exists nowhere else."""

    token: str = field(repr=False)
    expires_at: datetime


class Sessions(Generic[Row]):
    """The sessions of one table; `owner` is the column that says whose they are."""

    def __init__(self, table: type[Row], owner: InstrumentedAttribute[UUID]) -> None:
        self.table = table
        self._owner = owner

    async def open(
        self, session: WriteSession, owner_id: UUID, caller: CallerInfo, *, life: timedelta
    ) -> Opened:
        """A new session. Those of the same owner that are over go with it."""
        now = session.clock.now()
        over = delete(self.table).where(self._owner == owner_id, self.table.expires_at <= now)
        await session.execute(over)
        token, token_hash = make_session_token()
        row = self.table()
        row.token_hash, row.id = token_hash, new_id()
        setattr(row, self._owner.key, owner_id)
        row.created_at, row.expires_at, row.seen_at = now, now + life, now
        row.address, row.agent = caller.address, caller.agent
        session.add(row)
        await session.flush()
        return Opened(token=token, expires_at=row.expires_at)

    async def list(
        self,
        session: ReadSession,
        owner_id: UUID,
        *,
        idle: timedelta,
        after: UUID | None,
        limit: int,
    ) -> Sequence[Row]:
        """Up to `limit + 1` sessions that still open doors, oldest first."""
        table, now = self.table, session.clock.now()
        statement = (
            select(table)
            .where(self._owner == owner_id, table.expires_at > now)
            .where(func.coalesce(table.seen_at, table.created_at) > now - idle)
            .order_by(table.id)
            .limit(limit + 1)
        )
        if after is not None:
            statement = statement.where(table.id > after)
        return (await session.scalars(statement)).all()

    async def end_one(self, session: WriteSession, owner_id: UUID, *, session_id: UUID) -> None:
        """End one of the owner's; raises `not_found`, also for somebody else's."""
        mine = delete(self.table).where(self._owner == owner_id, self.table.id == session_id)
        found = cast("CursorResult[Any]", await session.execute(mine))
        if not found.rowcount:
            raise not_found("session")

    async def end_by_token(self, session: WriteSession, *, token: str) -> None:
        """End the session with this token."""
        this = self.table.token_hash == hash_secret(token)
        await session.execute(delete(self.table).where(this))

    async def end_all(
        self, session: WriteSession, owner_id: UUID, *, but: str | None = None
    ) -> None:
        """End all of the owner's, but for the one with the token `but`."""
        gone = delete(self.table).where(self._owner == owner_id)
        if but is not None:
            gone = gone.where(self.table.token_hash != hash_secret(but))
        await session.execute(gone)

    async def see(self, session: WriteSession, *, token: str) -> None:
        """Note that the session with this token was used just now."""
        this = update(self.table).where(self.table.token_hash == hash_secret(token))
        await session.execute(this.values(seen_at=session.clock.now()))


def is_stale(seen_at: datetime, *, now: datetime) -> bool:
    """Whether the use of a session is worth a note."""
    return now - seen_at >= SEEN_EVERY
