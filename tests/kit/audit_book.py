"""Writes into the audit of a `House` and reads it, for the tests of its chain."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.kit.db import WriteSession
from shared.kit.people import Unattended, audit, redact_audit
from tests.kit.people_house import House

CHAIN = "SELECT number, previous_hash, hash FROM audit_entries ORDER BY number"


async def add(session: WriteSession, house: House, action: str, **after: Any) -> UUID:
    """Add one entry about a thing."""
    return await audit(
        session,
        house.people,
        Unattended.SYSTEM,
        action,
        object_type="thing",
        object_id="one",
        after=after or None,
    )


async def write(house: House, action: str = "thing.change", **after: Any) -> UUID:
    """Add one entry in a transaction of its own."""
    async with house.runtime.staff.write() as session:
        return await add(session, house, action, **after)


async def redact(house: House, entries: Sequence[UUID]) -> int:
    """Take the content out of these; out of how many."""
    async with house.runtime.staff.write() as session:
        return await redact_audit(
            session,
            house.people,
            Unattended.SYSTEM,
            entries,
            object_type="thing",
            object_id="one",
        )


async def rows(house: House, statement: str = CHAIN) -> list[Any]:
    """Return what a SELECT finds, read as staff."""
    async with house.runtime.staff.read() as session:
        return list((await session.execute(text(statement))).all())
