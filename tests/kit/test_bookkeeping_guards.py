"""The database refuses what no code of ours would do."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from shared.kit.bookkeeping import MOST, Posting
from shared.kit.db import Database
from shared.kit.ids import new_id
from tests.kit.purses import BOOKS, FixedClock, Purse, PurseEntry, PurseHold, open_purses


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    async with open_purses(empty_database_url) as opened:
        yield opened


@pytest.fixture
async def owner(database: Database) -> UUID:
    """An owner with 100 in the purse."""
    one = new_id()
    async with database.write() as session:
        posting = Posting(kind="top_up", text="")
        await BOOKS.top_up(session, owner=one, amount=100, posting=posting)
    return one


def entry(owner: UUID, *, amount: int, transaction_id: UUID, number: int = 2) -> dict[str, object]:
    return {
        "id": new_id(),
        "transaction_id": transaction_id,
        "tenant_id": owner,
        "number": number,
        "book": "cash",
        "kind": "forged",
        "amount": amount,
        "text": "",
        "at": FixedClock().now(),
    }


async def test_one_sided_transaction_is_refused_at_commit(database: Database, owner: UUID) -> None:
    forged = entry(owner, amount=5, transaction_id=new_id())
    writing = database.write()
    session = await writing.__aenter__()
    await session.execute(insert(PurseEntry).values(forged))
    with pytest.raises(DBAPIError, match="does not sum to zero"):
        await writing.__aexit__(None, None, None)


async def test_two_sides_in_two_statements_are_fine(database: Database, owner: UUID) -> None:
    transaction_id = new_id()
    async with database.write() as session:
        for number, amount in ((2, 5), (3, -5)):
            side = entry(owner, amount=amount, transaction_id=transaction_id, number=number)
            await session.execute(insert(PurseEntry).values(side))


async def test_entry_changed_afterwards_is_refused(database: Database, owner: UUID) -> None:
    with pytest.raises(DBAPIError, match="does not sum to zero"):
        async with database.write() as session:
            await session.execute(
                update(PurseEntry).where(PurseEntry.book == "cash").values(amount=-1)
            )


async def test_entry_moved_to_another_transaction_is_refused(
    database: Database, owner: UUID
) -> None:
    with pytest.raises(DBAPIError, match="does not sum to zero"):
        async with database.write() as session:
            await session.execute(
                update(PurseEntry).where(PurseEntry.book == "cash").values(transaction_id=new_id())
            )


async def test_entry_taken_out_is_refused(database: Database, owner: UUID) -> None:
    with pytest.raises(DBAPIError, match="does not sum to zero"):
        async with database.write() as session:
            await session.execute(delete(PurseEntry).where(PurseEntry.book == "cash"))


@pytest.mark.parametrize("change", [{"balance": -1}, {"held": 101}], ids=["charge", "hold"])
async def test_floor_holds_against_plain_sql(
    database: Database, owner: UUID, change: dict[str, int]
) -> None:
    with pytest.raises(DBAPIError, match="balance below its limit"):
        async with database.write() as session:
            await session.execute(update(Purse).where(Purse.tenant_id == owner).values(**change))


@pytest.mark.parametrize(
    "change",
    [
        {"balance": MOST + 1},
        {"credit_limit": -1},
        {"credit_limit": MOST + 1},
        {"held": -1},
    ],
    ids=str,
)
async def test_figures_out_of_bounds_are_refused(
    database: Database, owner: UUID, change: dict[str, int]
) -> None:
    with pytest.raises(IntegrityError, match="ck_purses_"):
        async with database.write() as session:
            await session.execute(update(Purse).where(Purse.tenant_id == owner).values(**change))


async def test_closed_hold_without_a_time_is_refused(database: Database, owner: UUID) -> None:
    posting = Posting(kind="order", text="")
    async with database.write() as session:
        await BOOKS.hold(session, owner=owner, amount=1, posting=posting)
    with pytest.raises(IntegrityError, match="ck_purse_holds_closed"):
        async with database.write() as session:
            await session.execute(update(PurseHold).values(state="captured"))


async def test_two_postings_with_one_number_are_refused(database: Database, owner: UUID) -> None:
    forged = entry(owner, amount=0, transaction_id=new_id(), number=1)
    with pytest.raises(IntegrityError, match="uq_purse_entries_owner_id_book_number"):
        async with database.write() as session:
            await session.execute(insert(PurseEntry).values(forged))
