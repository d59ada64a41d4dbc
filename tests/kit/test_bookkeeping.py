"""Holds, charges and top-ups on one connection: what each does, and what it refuses."""

from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from shared.kit.bookkeeping import MOST, Posting
from shared.kit.db import Database, WriteSession
from shared.kit.ids import new_id
from shared.kit.problems import ProblemError
from tests.kit.purses import (
    BOOKS,
    TOP_UP,
    Purse,
    PurseEntry,
    PurseHold,
    database,
    figures,
    fill,
    owner,
)

__all__ = ["database", "owner"]

ORDER = Posting(kind="order", text="VPS 1")


async def count(session: WriteSession, table: type[PurseEntry | PurseHold | Purse]) -> int:
    return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_purse_never_used_reads_as_zero_and_is_not_written(
    database: Database, owner: UUID
) -> None:
    assert await figures(database, owner) == (0, 0, 0)
    async with database.write() as session:
        assert (await BOOKS.balance(session, owner=owner)).currency == "EUR"
    async with database.write() as session:
        assert await count(session, Purse) == 0


async def test_purse_is_made_by_the_first_top_up(database: Database, owner: UUID) -> None:
    await fill(database, owner, 500)
    assert await figures(database, owner) == (500, 0, 500)


async def test_first_hold_without_money_is_refused_and_not_a_crash(
    database: Database, owner: UUID
) -> None:
    async with database.write() as session:
        with pytest.raises(ProblemError, match="insufficient_balance"):
            await BOOKS.hold(session, owner=owner, amount=1, posting=ORDER)
        assert await count(session, PurseHold) == 0


async def test_hold_of_nothing_needs_no_money(database: Database, owner: UUID) -> None:
    async with database.write() as session:
        hold = await BOOKS.hold(session, owner=owner, amount=0, posting=ORDER)
        assert await BOOKS.capture(session, owner=owner, hold_id=hold.id, kind="order")
    assert await figures(database, owner) == (0, 0, 0)


async def test_opening_a_purse_twice_keeps_the_first(database: Database, owner: UUID) -> None:
    async with database.write() as session:
        await BOOKS.open_balance(session, owner=owner, currency="USD", credit_limit=7)
    async with database.write() as session:
        again = await BOOKS.open_balance(session, owner=owner, currency="EUR")
        assert (again.currency, again.credit_limit) == ("USD", 7)


async def test_hold_takes_from_what_is_available_only(database: Database, owner: UUID) -> None:
    await fill(database, owner, 100)
    async with database.write() as session:
        await BOOKS.hold(session, owner=owner, amount=60, posting=ORDER)
    assert await figures(database, owner) == (100, 60, 40)


async def test_hold_above_what_is_available_is_refused(database: Database, owner: UUID) -> None:
    await fill(database, owner, 100)
    async with database.write() as session:
        await BOOKS.hold(session, owner=owner, amount=60, posting=ORDER)
        with pytest.raises(ProblemError, match="insufficient_balance"):
            await BOOKS.hold(session, owner=owner, amount=41, posting=ORDER)
        await BOOKS.hold(session, owner=owner, amount=40, posting=ORDER)
    assert await figures(database, owner) == (100, 100, 0)


async def test_capture_charges_once(database: Database, owner: UUID) -> None:
    await fill(database, owner, 100)
    reference = new_id()
    posting = Posting(kind="hold", text="VPS 1", reference=reference, service_id=new_id())
    async with database.write() as session:
        hold = await BOOKS.hold(session, owner=owner, amount=60, posting=posting)
    for first in (True, False):
        async with database.write() as session:
            done = await BOOKS.capture(session, owner=owner, hold_id=hold.id, kind="order")
            assert done is first
    assert await figures(database, owner) == (40, 0, 40)
    async with database.write() as session:
        assert not await BOOKS.release(session, owner=owner, hold_id=hold.id)
        line = (await session.scalars(select(PurseEntry).where(PurseEntry.amount == -60))).one()
        assert (line.kind, line.text, line.reference) == ("order", "VPS 1", reference)
        assert line.service_id == posting.service_id


async def test_release_gives_back_once(database: Database, owner: UUID) -> None:
    await fill(database, owner, 100)
    async with database.write() as session:
        hold = await BOOKS.hold(session, owner=owner, amount=60, posting=ORDER)
    for first in (True, False):
        async with database.write() as session:
            assert await BOOKS.release(session, owner=owner, hold_id=hold.id) is first
    async with database.write() as session:
        assert not await BOOKS.capture(session, owner=owner, hold_id=hold.id, kind="order")
    assert await figures(database, owner) == (100, 0, 100)


async def test_hold_of_another_owner_is_left_alone(database: Database, owner: UUID) -> None:
    await fill(database, owner, 100)
    async with database.write() as session:
        hold = await BOOKS.hold(session, owner=owner, amount=60, posting=ORDER)
        stranger = new_id()
        assert not await BOOKS.capture(session, owner=stranger, hold_id=hold.id, kind="order")
        assert not await BOOKS.release(session, owner=stranger, hold_id=hold.id)
    assert await figures(database, owner) == (100, 60, 40)


async def test_one_command_holds_once(database: Database, owner: UUID) -> None:
    await fill(database, owner, 100)
    posting = Posting(kind="order", text="VPS 1", reference=new_id())
    async with database.write() as session:
        await BOOKS.hold(session, owner=owner, amount=1, posting=posting)
    with pytest.raises(IntegrityError, match="uq_purse_holds_owner_id_reference"):
        async with database.write() as session:
            await BOOKS.hold(session, owner=owner, amount=1, posting=posting)
    assert await figures(database, owner) == (100, 1, 99)


async def test_two_owners_may_choose_the_same_reference(database: Database, owner: UUID) -> None:
    posting = Posting(kind="order", text="VPS 1", reference=new_id())
    for one in (owner, new_id()):
        await fill(database, one, 100)
        async with database.write() as session:
            await BOOKS.hold(session, owner=one, amount=1, posting=posting)
        assert await figures(database, one) == (100, 1, 99)


async def test_charge_goes_down_to_the_credit_limit(database: Database, owner: UUID) -> None:
    await fill(database, owner, 10)
    async with database.write() as session:
        assert await BOOKS.set_credit_limit(session, owner=owner, credit_limit=50) == 0
        await BOOKS.charge(session, owner=owner, amount=60, posting=ORDER)
        with pytest.raises(ProblemError, match="insufficient_balance"):
            await BOOKS.charge(session, owner=owner, amount=1, posting=ORDER)
    assert await figures(database, owner) == (-50, 0, 0)


async def test_lowered_limit_leaves_the_debt_and_blocks_only_spending(
    database: Database, owner: UUID
) -> None:
    async with database.write() as session:
        await BOOKS.set_credit_limit(session, owner=owner, credit_limit=100)
        await BOOKS.charge(session, owner=owner, amount=50, posting=ORDER)
        captured = await BOOKS.hold(session, owner=owner, amount=30, posting=ORDER)
        released = await BOOKS.hold(session, owner=owner, amount=20, posting=ORDER)
        assert await BOOKS.set_credit_limit(session, owner=owner, credit_limit=0) == 100
    assert await figures(database, owner) == (-50, 50, -100)
    async with database.write() as session:
        with pytest.raises(ProblemError, match="insufficient_balance"):
            await BOOKS.charge(session, owner=owner, amount=1, posting=ORDER)
        assert await BOOKS.capture(session, owner=owner, hold_id=captured.id, kind="order")
        assert await BOOKS.release(session, owner=owner, hold_id=released.id)
        await BOOKS.top_up(session, owner=owner, amount=5, posting=TOP_UP)
    assert await figures(database, owner) == (-75, 0, -75)


async def test_pay_out_stays_within_what_is_available(database: Database, owner: UUID) -> None:
    await fill(database, owner, 100)
    async with database.write() as session:
        await BOOKS.hold(session, owner=owner, amount=60, posting=ORDER)
        with pytest.raises(ProblemError, match="insufficient_balance"):
            await BOOKS.top_up(session, owner=owner, amount=-41, posting=TOP_UP)
        await BOOKS.top_up(session, owner=owner, amount=-40, posting=TOP_UP)
    assert await figures(database, owner) == (60, 60, 0)


@pytest.mark.parametrize("amount", [MOST + 1, 2**63, 10**30])
async def test_amounts_beyond_the_books_are_a_problem(
    database: Database, owner: UUID, amount: int
) -> None:
    async with database.write() as session:
        for move in (BOOKS.hold, BOOKS.charge, BOOKS.top_up):
            with pytest.raises(ProblemError, match="invalid_request"):
                await move(session, owner=owner, amount=amount, posting=ORDER)
        with pytest.raises(ProblemError, match="invalid_request"):
            await BOOKS.set_credit_limit(session, owner=owner, credit_limit=amount)
    assert await figures(database, owner) == (0, 0, 0)


async def test_balance_grows_to_its_bound_and_no_further(database: Database, owner: UUID) -> None:
    await fill(database, owner, MOST)
    async with database.write() as session:
        with pytest.raises(ProblemError, match="invalid_request"):
            await BOOKS.top_up(session, owner=owner, amount=1, posting=TOP_UP)
        await BOOKS.set_credit_limit(session, owner=owner, credit_limit=MOST)
        await BOOKS.charge(session, owner=owner, amount=MOST, posting=ORDER)
        await BOOKS.charge(session, owner=owner, amount=MOST, posting=ORDER)
    assert await figures(database, owner) == (-MOST, 0, 0)


async def test_negative_holds_and_charges_are_a_mistake_of_the_caller(
    database: Database, owner: UUID
) -> None:
    async with database.write() as session:
        for move in (BOOKS.hold, BOOKS.charge):
            with pytest.raises(ValueError, match="can't be booked"):
                await move(session, owner=owner, amount=-1, posting=ORDER)


async def test_rollback_leaves_nothing(database: Database, owner: UUID) -> None:
    await fill(database, owner, 100)

    async def crash() -> None:
        async with database.write() as session:
            await BOOKS.charge(session, owner=owner, amount=10, posting=ORDER)
            await BOOKS.hold(session, owner=owner, amount=10, posting=ORDER)
            raise InterruptedError

    with pytest.raises(InterruptedError):
        await crash()
    assert await figures(database, owner) == (100, 0, 100)
