"""Walks the audit's chain and says where it is broken first, and why.

It makes every hash anew by itself and believes none that the database has. Whoever holds the
database could still write a whole new chain: that is told by a head that was kept elsewhere.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy import Row, Text, cast, func, select
from sqlalchemy.orm import aliased

from shared.kit.db import Database, ReadSession
from shared.kit.people.auditing import REDACTION
from shared.kit.people.tables import People

PAGE = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HEAD = re.compile(r"^([0-9]{1,18}):([0-9a-f]{64})$")


@dataclass(frozen=True, slots=True)
class Head:
    """A place in the chain: a number and the hash of the entry that has it; 0 is before all."""

    number: int
    hash: bytes

    def __str__(self) -> str:
        return f"{self.number}:{self.hash.hex()}"

    @classmethod
    def parse(cls, words: str) -> Self:
        """Read `number:hash` again; raises ValueError."""
        found = _HEAD.match(words.strip().lower())
        if found is None:
            message = "a head is a number, a colon and 64 hex digits, as `audit head` prints it"
            raise ValueError(message)
        return cls(int(found[1]), bytes.fromhex(found[2]))


START = Head(0, bytes(32))


class Broken(Exception):
    """The chain doesn't hold, first at this number."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"entry {number}: {why}")
        self.number, self.why = number, why


async def read_head(session: ReadSession, people: People) -> Head:
    """The newest entry's number and hash. Raises Broken where there is no head at all."""
    row = await session.scalar(select(people.head))
    if row is None:
        raise Broken(0, "the head of the chain is missing")
    return Head(row.number, row.hash)


async def verify_chain(database: Database, people: People, *, known: Head = START) -> Head:
    """The head of a chain that holds from its first entry and contains `known`.

    Raises Broken. Reads a page at a time, each in a transaction of its own; what is added meanwhile
    is left to the next time.
    """
    async with database.read() as session:
        head = await read_head(session, people)
    if known.number > head.number:
        raise Broken(head.number + 1, f"the chain ended at {known.number} once, entries are gone")
    place = START
    while place.number < head.number:
        async with database.read() as session:
            rows = await _page(session, people, after=place.number, until=head.number)
            recorded = await _recorded(session, people, [row.id for row in rows if row.redacted_at])
        if not rows:
            raise Broken(place.number + 1, "the entry is missing")
        for row in rows:
            place = _next(place, row, recorded)
            if place.number == known.number and place.hash != known.hash:
                raise Broken(known.number, "the entry isn't the one of the head that was kept")
    if place.hash != head.hash:
        raise Broken(head.number, "the entry isn't the one that the head of the chain names")
    await _check_end(database, people)
    return head


async def _page(
    session: ReadSession, people: People, *, after: int, until: int
) -> Sequence[Row[Any]]:
    table = people.audit
    columns = [
        cast(getattr(table, name), Text).label(name) if name in {"before", "after"} else column
        for name, column in ((one.key, getattr(table, one.key)) for one in _columns(people))
    ]
    statement = (
        select(*columns)
        .where(table.number > after, table.number <= until)
        .order_by(table.number)
        .limit(PAGE)
    )
    return (await session.execute(statement)).all()


def _columns(people: People) -> Sequence[Any]:
    return list(people.audit.__table__.columns)  # type: ignore[attr-defined]


async def _recorded(session: ReadSession, people: People, entries: Sequence[UUID]) -> set[UUID]:
    """Those of the entries whose redaction stands in the chain, after them, with their id."""
    if not entries:
        return set()
    taken, record = aliased(people.audit), aliased(people.audit)
    statement = (
        select(taken.id)
        .join(record, record.id == taken.redacted_by)
        .where(
            taken.id.in_(entries),
            record.action == REDACTION,
            record.number > taken.number,
            record.at == taken.redacted_at,
            record.after["entries"].has_key(cast(taken.id, Text)),
        )
    )
    return set((await session.scalars(statement)).all())


def _next(place: Head, row: Row[Any], recorded: set[UUID]) -> Head:
    """The place after this row. Raises Broken."""
    if row.number != place.number + 1:
        raise Broken(place.number + 1, "the entry is missing")
    if row.previous_hash != place.hash:
        raise Broken(row.number, "it doesn't follow the entry before it")
    if row.redacted_at is not None:
        if row.id not in recorded:
            raise Broken(row.number, "its content is gone and no redaction of it is recorded")
    elif row.content_hash != content_hash(row):
        raise Broken(row.number, "its content was changed")
    if row.hash != entry_hash(row):
        raise Broken(row.number, "it was changed")
    return Head(row.number, row.hash)


async def _check_end(database: Database, people: People) -> None:
    """In one statement, since others add entries meanwhile."""
    table = people.audit
    last = select(func.coalesce(func.max(table.number), 0)).scalar_subquery()
    loose = select(func.count()).where(table.number.is_(None)).scalar_subquery()
    async with database.read() as session:
        row = (await session.execute(select(people.head.number, last, loose))).one()
    number, found, unchained = row
    if found != number:
        raise Broken(min(found, number) + 1, f"the head says {number}, the last entry is {found}")
    if unchained:
        raise Broken(number + 1, f"{unchained} entries stand outside the chain")


def content_hash(row: Row[Any]) -> bytes:
    """Of `before` and `after` as the database writes them, with the entry's salt."""
    content = (None if text is None else text.encode() for text in (row.before, row.after))
    return _hash(b"tandem audit content 1", row.salt, *content)


def entry_hash(row: Row[Any]) -> bytes:
    """Of everything in an entry that is never changed, and of the entry before."""
    return _hash(
        b"tandem audit entry 1",
        row.previous_hash,
        row.number.to_bytes(8, "big"),
        row.id.bytes,
        ((row.at - _EPOCH) // timedelta(microseconds=1)).to_bytes(8, "big", signed=True),
        row.actor_kind.encode(),
        row.actor_id.bytes if row.actor_id else None,
        row.action.encode(),
        row.object_type.encode(),
        row.object_id.encode(),
        row.request_id.bytes if row.request_id else None,
        row.traceparent.encode(),
        row.content_hash,
    )


def _hash(*parts: bytes | None) -> bytes:
    """SHA-256; each part with its length before it, -1 where there is none."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update((-1 if part is None else len(part)).to_bytes(8, "big", signed=True))
        digest.update(part or b"")
    return digest.digest()
