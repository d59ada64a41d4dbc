"""Slows down who guesses at logins, of staff and of clients alike, in the database of the service.

Three counts: of a login from one address, of a login from anywhere, of an address at any login. A
stranger can't shut the owner out: where somebody has logged in within a month, only the count of
that login from that address speaks. Logins and addresses are known by an HMAC only, existing or
not, so that neither a lock nor its time tells which.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert

from shared.kit.db import ReadSession, WriteSession
from shared.kit.people.tables import LockoutColumns
from shared.kit.people.throttles import Limit, Throttle, too_often

MOST_ATTEMPTS = 10
LOCK = timedelta(minutes=5)
KNOWN_FOR = timedelta(days=30)
_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
# A login from one address.
FROM_ONE = Limit(most=MOST_ATTEMPTS, first=LOCK, longest=_HOUR, quiet=_DAY)
# A login from anywhere: one address, however long it goes on, never fills this within a day.
FROM_ALL = Limit(most=100, first=_MINUTE, longest=15 * _MINUTE, quiet=_DAY)
# The half of a key that names a login; the other half names the address.
_HALF = 16
_EVERYWHERE = bytes(_HALF)


class Sizes(Protocol):
    """What the settings say of it."""

    @property
    def login_attempts_per_address(self) -> int:
        """Wrong logins from one address before it must wait."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody at `network` (see `network_of`) who says they are `login`."""

    login: str
    network: str


class Lockouts:
    """Attempts at one kind of login. `helper` is whoever can help out, in the answer's words."""

    def __init__(self, table: type[LockoutColumns], *, kind: bytes, helper: str) -> None:
        self._table = table
        self._throttle = Throttle(table)
        self._kind = kind
        self._helper = helper

    async def count(self, session: WriteSession, attempt: Attempt, sizes: Sizes) -> None:
        """Count one attempt. Raises `rate_limited`; its transaction must then be given up.

        Rows are taken in one order (pair, login, address), so that attempts don't lock each other.
        """
        known = await self._is_known(session, attempt)
        pair, everywhere, address = self._keys(session, attempt)
        per_address = _per_address(sizes)
        for key, limit, enforced in (
            (pair, FROM_ONE, True),
            (everywhere, FROM_ALL, not known),
            (address, per_address, not known),
        ):
            if not await self._throttle.take(session, key, limit, enforced=enforced):
                seconds = await self._throttle.seconds_to_wait(session, key, limit)
                hint = "" if key == address else f", or let {self._helper}"
                place = "from your address" if key == address else "at this login"
                raise too_often(f"Too many attempts {place}. Wait {seconds} s{hint}.", seconds)

    async def succeed(self, session: WriteSession, attempt: Attempt) -> None:
        """The attempt that was counted last was a good one: its address is known from now on."""
        pair, everywhere, address = self._keys(session, attempt)
        now = session.clock.now()
        values = {"attempts": 0, "last_at": now, "succeeded_at": now}
        statement = insert(self._table).values(login_hash=pair, **values)
        await session.execute(
            statement.on_conflict_do_update(index_elements=["login_hash"], set_=values)
        )
        await self._throttle.give_back(session, everywhere)
        await self._throttle.give_back(session, address)

    async def forget(self, session: WriteSession, *, login: str) -> None:
        """A new password: all counts of this login begin anew, and no address is known."""
        table, half = self._table, self._half(session, login)
        mine = table.login_hash.between(half + bytes(_HALF), half + b"\xff" * _HALF)
        await session.execute(delete(table).where(mine))

    async def _is_known(self, session: ReadSession, attempt: Attempt) -> bool:
        table = self._table
        pair, _, _ = self._keys(session, attempt)
        since = session.clock.now() - KNOWN_FOR
        statement = select(table.login_hash).where(
            table.login_hash == pair, table.succeeded_at > since
        )
        return await session.scalar(statement) is not None

    def _half(self, session: ReadSession, login: str) -> bytes:
        return session.vault.fingerprint(self._kind, login.encode())[:_HALF]

    def _keys(self, session: ReadSession, attempt: Attempt) -> tuple[bytes, bytes, bytes]:
        """Of the login from this address, of the login, of the address."""
        half = self._half(session, attempt.login)
        network = session.vault.fingerprint(self._kind, b"address", attempt.network.encode())
        return half + network[:_HALF], half + _EVERYWHERE, network


def _per_address(sizes: Sizes) -> Limit:
    return Limit(
        most=sizes.login_attempts_per_address,
        first=_MINUTE,
        longest=15 * _MINUTE,
        quiet=_HOUR,
    )
