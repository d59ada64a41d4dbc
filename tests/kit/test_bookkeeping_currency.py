"""Money is counted in one currency: a setting that was changed books nothing on older balances."""

from uuid import UUID

import pytest

from shared.kit.bookkeeping import OtherCurrency, Posting, check_currency
from shared.kit.db import Database, WriteSession
from shared.kit.ids import new_id
from shared.kit.problems import ProblemError
from tests.kit.purses import BOOKS, database, figures, fill, owner

__all__ = ["database", "owner"]

DOLLARS = Posting(kind="order", text="a VM", currency="USD")


async def test_amount_in_another_currency_is_booked_nowhere(
    database: Database, owner: UUID
) -> None:
    await fill(database, owner, 100)

    async def refused(session: WriteSession) -> None:
        await BOOKS.hold(session, owner=owner, amount=10, posting=DOLLARS)

    async def charged(session: WriteSession) -> None:
        await BOOKS.charge(session, owner=owner, amount=10, posting=DOLLARS)

    async def paid_in(session: WriteSession) -> None:
        await BOOKS.top_up(session, owner=owner, amount=10, posting=DOLLARS)

    for book in (refused, charged, paid_in):
        with pytest.raises(ProblemError, match="unavailable") as caught:
            async with database.write() as session:
                await book(session)
        assert "EUR" in caught.value.detail
        assert "USD" in caught.value.detail
    assert await figures(database, owner) == (100, 0, 100)


async def test_amount_of_the_house_is_in_its_currency_whatever_the_balance_is(
    database: Database, owner: UUID
) -> None:
    async with database.write() as session:
        await BOOKS.open_balance(session, owner=owner, currency="USD", credit_limit=1000)
    with pytest.raises(ProblemError, match="unavailable"):
        async with database.write() as session:
            await BOOKS.hold(
                session, owner=owner, amount=10, posting=Posting(kind="order", text="a VM")
            )
    with pytest.raises(ProblemError, match="unavailable"):
        async with database.write() as session:
            await BOOKS.set_credit_limit(session, owner=owner, credit_limit=5)


async def test_house_that_counts_in_another_currency_than_its_balances_does_not_start(
    database: Database, owner: UUID
) -> None:
    await fill(database, owner, 100)
    await check_currency(database, BOOKS)
    async with database.write() as session:
        await BOOKS.open_balance(session, owner=new_id(), currency="USD")
    with pytest.raises(OtherCurrency, match="USD"):
        await check_currency(database, BOOKS)
