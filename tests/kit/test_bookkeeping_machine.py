"""Any sequence of holds, captures, releases, charges and top-ups agrees with a plain model."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from shared.kit.bookkeeping import MOST, Posting
from shared.kit.db import Database, WriteSession
from shared.kit.ids import new_id
from shared.kit.problems import ProblemError
from tests.kit.purses import BOOKS, check_books, open_purses

POSTING = Posting(kind="any", text="")
# Small ones meet often, the largest reach the bounds.
AMOUNTS = st.one_of(st.integers(0, 30), st.integers(0, MOST))
Given = TypeVar("Given")


@dataclass
class Model:
    """What the purse should be."""

    balance: int = 0
    limit: int = 0
    open: dict[UUID, int] = field(default_factory=dict)
    lowered: bool = False

    @property
    def available(self) -> int:
        return self.balance - sum(self.open.values()) + self.limit


class PurseMachine(RuleBasedStateMachine):
    """One owner's purse; every rule is a transaction, some of which roll back."""

    holds: Bundle[UUID] = Bundle("holds")

    runner: asyncio.Runner
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.owner = new_id()
        self.model = Model()

    def act(
        self, action: Callable[[WriteSession], Coroutine[object, object, Given]]
    ) -> Given | str:
        async def transaction() -> Given | str:
            try:
                async with self.database.write() as session:
                    return await action(session)
            except ProblemError as problem:
                return problem.type.code

        return self.runner.run(transaction())

    @rule(target=holds, amount=AMOUNTS)
    def hold(self, amount: int) -> UUID | MultipleResults[UUID]:
        affordable = amount <= self.model.available or amount == 0

        async def action(session: WriteSession) -> UUID:
            hold = await BOOKS.hold(session, owner=self.owner, amount=amount, posting=POSTING)
            return hold.id

        found = self.act(action)
        if not affordable:
            assert found == "insufficient_balance"
            return multiple()
        assert isinstance(found, UUID)
        self.model.open[found] = amount
        return found

    @rule(hold_id=holds)
    def capture(self, hold_id: UUID) -> None:
        found = self.act(
            lambda session: BOOKS.capture(session, owner=self.owner, hold_id=hold_id, kind="any")
        )
        assert found is (hold_id in self.model.open)
        self.model.balance -= self.model.open.pop(hold_id, 0)

    @rule(hold_id=consumes(holds))
    def release(self, hold_id: UUID) -> None:
        found = self.act(lambda session: BOOKS.release(session, owner=self.owner, hold_id=hold_id))
        assert found is (hold_id in self.model.open)
        self.model.open.pop(hold_id, 0)

    @rule(amount=AMOUNTS)
    def charge(self, amount: int) -> None:
        found = self.act(
            lambda session: BOOKS.charge(session, owner=self.owner, amount=amount, posting=POSTING)
        )
        self.expect(found, change=-amount)

    @rule(amount=AMOUNTS, sign=st.sampled_from([1, -1]))
    def top_up(self, amount: int, sign: int) -> None:
        found = self.act(
            lambda session: BOOKS.top_up(
                session, owner=self.owner, amount=sign * amount, posting=POSTING
            )
        )
        self.expect(found, change=sign * amount)

    def expect(self, found: object, *, change: int) -> None:
        if abs(self.model.balance + change) > MOST:
            assert found == "invalid_request"
        elif change < 0 and -change > self.model.available:
            assert found == "insufficient_balance"
        else:
            assert isinstance(found, UUID)
            self.model.balance += change

    @rule(limit=AMOUNTS)
    def set_limit(self, limit: int) -> None:
        found = self.act(
            lambda session: BOOKS.set_credit_limit(session, owner=self.owner, credit_limit=limit)
        )
        assert found == self.model.limit
        self.model.lowered = self.model.lowered or limit < self.model.limit
        self.model.limit = limit

    @rule(hold_id=holds)
    def crash_after_capture(self, hold_id: UUID) -> None:
        async def action(session: WriteSession) -> None:
            await BOOKS.capture(session, owner=self.owner, hold_id=hold_id, kind="any")
            raise InterruptedError

        with pytest.raises(InterruptedError):
            self.act(action)

    @invariant()
    def books_agree(self) -> None:
        async def look() -> tuple[int, int, int]:
            async with self.database.read() as session:
                await check_books(session, self.owner)
                purse = await BOOKS.balance(session, owner=self.owner)
                return purse.balance, purse.held, purse.available

        model = self.model
        expected = (model.balance, sum(model.open.values()), model.available)
        assert self.runner.run(look()) == expected
        assert model.available >= 0 or model.lowered


def test_any_sequence_keeps_the_books(empty_database_url: str) -> None:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        database = runner.run(stack.enter_async_context(open_purses(empty_database_url)))
        try:
            PurseMachine.runner, PurseMachine.database = runner, database
            run_state_machine_as_test(
                PurseMachine,
                settings=settings(max_examples=25, stateful_step_count=20, deadline=None),
            )
        finally:
            runner.run(stack.aclose())
