"""Counts attempts at logins and locks those tried too often, of staff and of clients alike.

Knows logins by an HMAC only, existing or not, so that neither a lock nor its time tells which.
"""

import math
from datetime import timedelta

from sqlalchemy import case, delete, or_, select
from sqlalchemy.dialects.postgresql import insert

from shared.contract.problems import RATE_LIMITED
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people.tables import LockoutColumns
from shared.kit.problems import ProblemError

MOST_ATTEMPTS = 10
LOCK = timedelta(minutes=5)
_FORGET_ATTEMPTS = timedelta(days=1)


class Lockouts:
    """Attempts at one kind of login. `helper` is whoever can help out, in the answer's words."""

    def __init__(self, table: type[LockoutColumns], *, kind: bytes, helper: str) -> None:
        self._table = table
        self._kind = kind
        self._helper = helper

    async def count(self, session: WriteSession, *, login: str) -> None:
        """Count one attempt at this login. Raises `rate_limited` once there were too many."""
        table, now = self._table, session.clock.now()
        over = now - LOCK
        values = {"login_hash": self._hash(session, login), "attempts": 1, "last_at": now}
        counted = await session.scalar(
            insert(table)
            .values(values)
            .on_conflict_do_update(
                index_elements=["login_hash"],
                set_={
                    "attempts": case((table.last_at <= over, 1), else_=table.attempts + 1),
                    "last_at": now,
                },
                where=or_(table.attempts < MOST_ATTEMPTS, table.last_at <= over),
            )
            .returning(table.attempts)
        )
        if counted is None:
            raise await self._locked(session, login=login)

    async def forget(self, session: WriteSession, *, login: str) -> None:
        """A success, or a new password: begin to count anew. Old counts of anybody go as well."""
        table = self._table
        old = session.clock.now() - _FORGET_ATTEMPTS
        mine = table.login_hash == self._hash(session, login)
        await session.execute(delete(table).where(or_(mine, table.last_at < old)))

    async def _locked(self, session: ReadSession, *, login: str) -> ProblemError:
        table = self._table
        mine = table.login_hash == self._hash(session, login)
        last_at = (await session.execute(select(table.last_at).where(mine))).scalar_one()
        seconds = max(1, math.ceil((last_at + LOCK - session.clock.now()).total_seconds()))
        detail = f"Too many attempts at this login. Wait {seconds} s, or let {self._helper}."
        return ProblemError(RATE_LIMITED, detail, headers={"Retry-After": str(seconds)})

    def _hash(self, session: ReadSession, login: str) -> bytes:
        return session.vault.fingerprint(self._kind, login.encode())
