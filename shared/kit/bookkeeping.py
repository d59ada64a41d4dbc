"""Double-entry books for one kind of owner: balances, holds, transactions that sum to zero.

Whole minor units of one currency per owner. An owner's balance is what we owe them: a top-up adds,
a charge takes. `available = balance - held + credit_limit`, and no posting takes it below zero.
The balance row is the last lock but one (the feed's) in the order of locks.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Index, Text, select, text
from sqlalchemy import update
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from shared.contract.problems import INSUFFICIENT_BALANCE
from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.problems import ProblemError


class Book(StrEnum):
    """The accounts of the house that entries are posted to."""

    BALANCE = "balance"
    CASH = "cash"
    REVENUE = "revenue"


class HoldState(StrEnum):
    """Money set aside: it is captured or released, once."""

    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"


class BalanceColumns:
    """One owner's balance."""

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(Text)
    balance: Mapped[int] = mapped_column(BigInteger, default=0)
    held: Mapped[int] = mapped_column(BigInteger, default=0)
    credit_limit: Mapped[int] = mapped_column(BigInteger, default=0)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        return (
            CheckConstraint("held >= 0", name="held"),
            CheckConstraint("credit_limit >= 0", name="credit_limit"),
        )


class HoldColumns:
    """Money set aside for one command. `reference` is unique: one hold per command."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    amount: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    reference: Mapped[UUID] = mapped_column(unique=True)
    service_id: Mapped[UUID | None]
    text: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        name = str(cls.__tablename__)  # type: ignore[attr-defined]
        return (
            CheckConstraint("amount >= 0", name="amount"),
            CheckConstraint("state IN ('open', 'captured', 'released')", name="state"),
            CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
            Index(f"ix_{name}_open", "created_at", postgresql_where=text("state = 'open'")),
        )


class EntryColumns:
    """One side of a transaction. The entries of a transaction sum to zero (checked at commit).

    `balance_after` is set on entries of the book `balance` only.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(index=True)
    tenant_id: Mapped[UUID] = mapped_column(index=True)
    book: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    amount: Mapped[int] = mapped_column(BigInteger)
    balance_after: Mapped[int | None] = mapped_column(BigInteger)
    reference: Mapped[UUID | None]
    service_id: Mapped[UUID | None]
    text: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        return (CheckConstraint("book IN ('balance', 'cash', 'revenue')", name="book"),)


def zero_sum_trigger(table: str) -> list[str]:
    """SQL for migrations: the entries of each transaction sum to zero when it commits."""
    return [
        f"CREATE FUNCTION {table}_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF (SELECT sum(amount) FROM {table} WHERE transaction_id = NEW.transaction_id) <> 0 "
        "THEN RAISE EXCEPTION 'transaction % does not sum to zero', NEW.transaction_id "
        "USING ERRCODE = 'check_violation'; END IF; RETURN NULL; END $$",
        f"CREATE CONSTRAINT TRIGGER zero_sum AFTER INSERT OR UPDATE ON {table} "
        f"DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {table}_zero_sum()",
    ]


def floor_trigger(table: str) -> list[str]:
    """SQL for migrations: no posting or hold takes what is available below zero."""
    return [
        f"CREATE FUNCTION {table}_floor() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF NEW.balance - NEW.held + NEW.credit_limit < 0 "
        "AND NEW.balance - NEW.held < OLD.balance - OLD.held "
        "THEN RAISE EXCEPTION 'balance below its limit' USING ERRCODE = 'check_violation'; "
        "END IF; RETURN NEW; END $$",
        f"CREATE TRIGGER floor BEFORE UPDATE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION {table}_floor()",
    ]


B = TypeVar("B", bound=BalanceColumns)
H = TypeVar("H", bound=HoldColumns)
E = TypeVar("E", bound=EntryColumns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What money moves for: its kind, the command or operation, the service, a line of text."""

    kind: str
    text: str
    reference: UUID | None = None
    service_id: UUID | None = None


class Books(Generic[B, H, E]):
    """The statements on one set of tables."""

    def __init__(self, *, balances: type[B], holds: type[H], entries: type[E]) -> None:
        self._balances = balances
        self._holds = holds
        self._entries = entries

    async def open_balance(
        self, session: WriteSession, *, owner: UUID, currency: str, credit_limit: int = 0
    ) -> B:
        """A balance of zero for a new owner."""
        row = self._balances()
        row.tenant_id, row.currency, row.credit_limit = owner, currency, credit_limit
        row.balance = row.held = 0
        session.add(row)
        await session.flush()
        return row

    async def balance(self, session: ReadSession, *, owner: UUID) -> B:
        """The balance row; raises NoResultFound."""
        table = self._balances
        statement = select(table).where(table.tenant_id == owner)
        return (await session.scalars(statement.execution_options(populate_existing=True))).one()

    async def hold(
        self, session: WriteSession, *, owner: UUID, amount: int, posting: Posting
    ) -> H:
        """Set money aside. Raises `insufficient_balance`."""
        await self._move(session, owner=owner, balance=0, held=amount)
        row = self._holds()
        row.id, row.tenant_id, row.amount, row.state = new_id(), owner, amount, HoldState.OPEN
        row.reference = posting.reference or row.id
        row.service_id, row.text = posting.service_id, posting.text
        row.created_at, row.closed_at = session.clock.now(), None
        session.add(row)
        await session.flush()
        return row

    async def capture(self, session: WriteSession, *, owner: UUID, hold_id: UUID, kind: str) -> bool:
        """Charge what was held; false where the hold is closed already."""
        hold = await self._close(session, owner=owner, hold_id=hold_id, state=HoldState.CAPTURED)
        if hold is None:
            return False
        after = await self._move(session, owner=owner, balance=-hold.amount, held=-hold.amount)
        posting = Posting(
            kind=kind, text=hold.text, reference=hold.reference, service_id=hold.service_id
        )
        await self._post(session, owner, -hold.amount, Book.REVENUE, posting, after)
        return True

    async def release(self, session: WriteSession, *, owner: UUID, hold_id: UUID) -> bool:
        """Give back what was held; false where the hold is closed already."""
        hold = await self._close(session, owner=owner, hold_id=hold_id, state=HoldState.RELEASED)
        if hold is None:
            return False
        await self._move(session, owner=owner, balance=0, held=-hold.amount)
        return True

    async def charge(
        self, session: WriteSession, *, owner: UUID, amount: int, posting: Posting
    ) -> UUID:
        """Take money at once; the transaction's id. Raises `insufficient_balance`."""
        after = await self._move(session, owner=owner, balance=-amount, held=0)
        return await self._post(session, owner, -amount, Book.REVENUE, posting, after)

    async def top_up(
        self, session: WriteSession, *, owner: UUID, amount: int, posting: Posting
    ) -> UUID:
        """Add money (negative: pay out, within what is available); the transaction's id."""
        after = await self._move(session, owner=owner, balance=amount, held=0)
        return await self._post(session, owner, amount, Book.CASH, posting, after)

    async def _move(self, session: WriteSession, *, owner: UUID, balance: int, held: int) -> int:
        table = self._balances
        # Capturing and topping up never lower what is available, so a debt can't block them.
        enough = table.balance - table.held + table.credit_limit + balance - held >= 0
        statement: Any = (
            update(table)
            .where(table.tenant_id == owner)
            .values(balance=table.balance + balance, held=table.held + held)
            .returning(table.balance)
            .execution_options(synchronize_session=False)
        )
        if balance - held < 0:
            statement = statement.where(enough)
        after = await session.scalar(statement)
        if after is None:
            detail = "The available balance doesn't cover this. Top up and try again."
            raise ProblemError(INSUFFICIENT_BALANCE, detail)
        return int(after)

    async def _close(
        self, session: WriteSession, *, owner: UUID, hold_id: UUID, state: HoldState
    ) -> H | None:
        table = self._holds
        statement = (
            update(table)
            .where(table.id == hold_id, table.tenant_id == owner, table.state == HoldState.OPEN)
            .values(state=state, closed_at=session.clock.now())
            .returning(table)
            .execution_options(synchronize_session=False, populate_existing=True)
        )
        return (await session.scalars(statement)).one_or_none()

    async def _post(
        self,
        session: WriteSession,
        owner: UUID,
        amount: int,
        other: Book,
        posting: Posting,
        after: int,
    ) -> UUID:
        transaction_id = new_id()
        for book, part in ((Book.BALANCE, amount), (other, -amount)):
            row = self._entries()
            row.id, row.transaction_id, row.tenant_id = new_id(), transaction_id, owner
            row.book, row.kind, row.amount = book, posting.kind, part
            row.balance_after = after if book is Book.BALANCE else None
            row.reference, row.service_id = posting.reference, posting.service_id
            row.text, row.at = posting.text, session.clock.now()
            session.add(row)
        await session.flush()
        return transaction_id
