"""Books for the tests of bookkeeping: purses of owners who belong to no service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.fernet import Fernet
from sqlalchemy import func, select, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.kit.bookkeeping import (
    BalanceColumns,
    Books,
    EntryColumns,
    HoldColumns,
    Posting,
    floor_trigger,
    zero_sum_trigger,
)
from shared.kit.db import Context, Database, ReadSession, new_metadata
from shared.kit.hints import Hints
from shared.kit.ids import new_id
from shared.kit.vault import Vault


class Base(DeclarativeBase):
    metadata = new_metadata()


class Purse(BalanceColumns, Base):
    __tablename__ = "purses"

    tenant_id: Mapped[UUID] = mapped_column("owner_id", primary_key=True)


class PurseHold(HoldColumns, Base):
    __tablename__ = "purse_holds"

    tenant_id: Mapped[UUID] = mapped_column("owner_id", index=True)


class PurseEntry(EntryColumns, Base):
    __tablename__ = "purse_entries"

    tenant_id: Mapped[UUID] = mapped_column("owner_id", index=True)


TOP_UP = Posting(kind="top_up", text="Bank transfer")
BOOKS = Books(balances=Purse, holds=PurseHold, entries=PurseEntry)


class FixedClock:
    """Stands still."""

    def now(self) -> datetime:
        return datetime(2026, 3, 1, 12, tzinfo=UTC)


@asynccontextmanager
async def open_purses(url: str, *, pool_size: int = 10) -> AsyncIterator[Database]:
    """Make the tables in an empty database, and give it."""
    context = Context(
        clock=FixedClock(),
        vault=Vault([Fernet.generate_key().decode()]),
        hints=Hints(url),
        currency="EUR",
    )
    database = Database(
        url, context=context, role=None, tenant_setting="tandem.owner", pool_size=pool_size
    )
    async with database.engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        for statement in [*zero_sum_trigger("purse_entries"), *floor_trigger("purses")]:
            await connection.execute(text(statement))
    try:
        yield database
    finally:
        await database.aclose()


async def check_books(session: ReadSession, owner: UUID) -> None:
    """Assert what must hold of one owner's books at any commit."""
    unbalanced = (
        select(PurseEntry.transaction_id)
        .where(PurseEntry.tenant_id == owner)
        .group_by(PurseEntry.transaction_id)
        .having((func.sum(PurseEntry.amount) != 0) | (func.count() != 2))
    )
    assert (await session.scalars(unbalanced)).all() == []
    mine = select(PurseEntry).where(PurseEntry.tenant_id == owner, PurseEntry.book == "balance")
    lines = (await session.scalars(mine.order_by(PurseEntry.number))).all()
    total = 0
    for number, line in enumerate(lines, start=1):
        total += line.amount
        assert (line.number, line.balance_after) == (number, total)
    purse = await BOOKS.balance(session, owner=owner)
    open_holds = select(func.coalesce(func.sum(PurseHold.amount), 0)).where(
        PurseHold.tenant_id == owner, PurseHold.state == "open"
    )
    assert purse.balance == total
    assert purse.postings == len(lines)
    assert purse.held == await session.scalar(open_holds)


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    async with open_purses(empty_database_url) as opened:
        yield opened


@pytest.fixture
def owner() -> UUID:
    return new_id()


async def fill(database: Database, owner: UUID, amount: int) -> None:
    async with database.write() as session:
        await BOOKS.top_up(session, owner=owner, amount=amount, posting=TOP_UP)


async def figures(database: Database, owner: UUID) -> tuple[int, int, int]:
    """Return balance, held and available, after checking all that must hold."""
    async with database.read() as session:
        await check_books(session, owner)
        purse = await BOOKS.balance(session, owner=owner)
        return purse.balance, purse.held, purse.available
