"""Several connections on one purse: never below its limit, nothing twice."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.kit.bookkeeping import Posting
from shared.kit.db import Database, WriteSession
from shared.kit.ids import new_id
from shared.kit.problems import ProblemError
from tests.kit.purses import BOOKS, check_books, open_purses

ORDER = Posting(kind="order", text="VPS 1")
TOP_UP = Posting(kind="top_up", text="")

Act = Callable[[WriteSession], Awaitable[object]]


@pytest.fixture
async def database(empty_database_url: str) -> AsyncIterator[Database]:
    async with open_purses(empty_database_url) as opened:
        yield opened


@pytest.fixture
async def owner(database: Database) -> UUID:
    """An owner with 100 in the purse."""
    one = new_id()
    async with database.write() as session:
        await BOOKS.top_up(session, owner=one, amount=100, posting=TOP_UP)
    return one


async def attempt(database: Database, act: Act) -> object:
    """Act in a transaction of its own; what it gave, or the problem it met."""
    try:
        async with database.write() as session:
            return await act(session)
    except ProblemError as problem:
        return problem.type.code


async def blocked(database: Database) -> None:
    """Wait until a connection of this database waits for a lock."""
    statement = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(10):
        while True:
            async with database.read() as session:
                if await session.scalar(statement):
                    return
            await asyncio.sleep(0.01)


async def race(database: Database, first: Act, second: Act) -> tuple[object, object]:
    """Let `second` run into the lock of `first`, then commit `first`; what both gave."""
    async with database.write() as session:
        one = await first(session)
        other = asyncio.create_task(attempt(database, second))
        await blocked(database)
    return one, await other


async def figures(database: Database, owner: UUID) -> tuple[int, int]:
    async with database.read() as session:
        await check_books(session, owner)
        purse = await BOOKS.balance(session, owner=owner)
        return purse.balance, purse.held


async def test_of_two_holds_for_the_last_money_one_is_refused(
    database: Database, owner: UUID
) -> None:
    async def hold(session: WriteSession) -> object:
        return (await BOOKS.hold(session, owner=owner, amount=60, posting=ORDER)).amount

    assert await race(database, hold, hold) == (60, "insufficient_balance")
    assert await figures(database, owner) == (100, 60)


async def test_hold_that_waits_sees_the_money_that_arrived(database: Database, owner: UUID) -> None:
    async def top_up(session: WriteSession) -> object:
        return await BOOKS.top_up(session, owner=owner, amount=100, posting=TOP_UP)

    async def hold(session: WriteSession) -> object:
        return (await BOOKS.hold(session, owner=owner, amount=150, posting=ORDER)).amount

    assert (await race(database, top_up, hold))[1] == 150
    assert await figures(database, owner) == (200, 150)


async def test_charge_that_waits_sees_the_lowered_limit(database: Database, owner: UUID) -> None:
    async with database.write() as session:
        await BOOKS.set_credit_limit(session, owner=owner, credit_limit=50)

    async def lower(session: WriteSession) -> object:
        return await BOOKS.set_credit_limit(session, owner=owner, credit_limit=0)

    async def charge(session: WriteSession) -> object:
        return await BOOKS.charge(session, owner=owner, amount=120, posting=ORDER)

    assert await race(database, lower, charge) == (50, "insufficient_balance")
    assert await figures(database, owner) == (100, 0)


@pytest.mark.parametrize("first", ["capture", "release"])
@pytest.mark.parametrize("second", ["capture", "release"])
async def test_hold_is_closed_by_the_first_only(
    database: Database, owner: UUID, first: str, second: str
) -> None:
    async with database.write() as session:
        hold_id = (await BOOKS.hold(session, owner=owner, amount=60, posting=ORDER)).id

    def closing(verb: str) -> Act:
        async def act(session: WriteSession) -> object:
            if verb == "capture":
                return await BOOKS.capture(session, owner=owner, hold_id=hold_id, kind="order")
            return await BOOKS.release(session, owner=owner, hold_id=hold_id)

        return act

    assert await race(database, closing(first), closing(second)) == (True, False)
    assert await figures(database, owner) == (40 if first == "capture" else 100, 0)


async def test_two_first_top_ups_make_one_purse(database: Database) -> None:
    newcomer = new_id()

    async def top_up(session: WriteSession) -> object:
        return await BOOKS.top_up(session, owner=newcomer, amount=5, posting=TOP_UP)

    await race(database, top_up, top_up)
    assert await figures(database, newcomer) == (10, 0)


async def test_crowd_spends_exactly_what_there_is(database: Database, owner: UUID) -> None:
    async def hold_and_capture(session: WriteSession) -> object:
        hold = await BOOKS.hold(session, owner=owner, amount=7, posting=ORDER)
        return await BOOKS.capture(session, owner=owner, hold_id=hold.id, kind="order")

    crowd = [attempt(database, hold_and_capture) for _ in range(20)]
    outcomes = await asyncio.gather(*crowd)
    assert outcomes.count(True) == 14
    assert outcomes.count("insufficient_balance") == 6
    assert await figures(database, owner) == (2, 0)
