"""Columns of the books' tables, and the triggers by which the database guards them itself."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, MappedColumn, declared_attr, mapped_column

# Balance and credit limit stay within this: their sum is exact in every JSON reader (2**53).
MOST = 2**52 - 1


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


def _tenant_column(owner: type) -> str:
    """Each service has its own word for the tenant: `partner_id`, `client_id`."""
    own = owner.__dict__.get("tenant_id")
    return own.column.name or "tenant_id" if isinstance(own, MappedColumn) else "tenant_id"


class BalanceColumns:
    """One owner's balance. `postings` counts the lines of the owner's statement.

    While it is parked (`parked_at`; why: `parked_code`, `parked_detail`) nothing new is held or
    charged; what was held before is captured or released all the same.
    """

    tenant_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(Text)
    balance: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    held: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    credit_limit: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    postings: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    parked_code: Mapped[str | None] = mapped_column(Text)
    parked_detail: Mapped[str | None] = mapped_column(Text)
    parked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @property
    def available(self) -> int:
        """What may still be spent; below zero only after the credit limit was lowered."""
        return self.balance - self.held + self.credit_limit

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        return (
            CheckConstraint("held >= 0", name="held"),
            CheckConstraint(f"credit_limit BETWEEN 0 AND {MOST}", name="credit_limit"),
            CheckConstraint(f"balance BETWEEN -{MOST} AND {MOST}", name="balance"),
        )


class HoldColumns:
    """Money set aside for one command. `reference` is unique per owner: one hold per command."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tenant_id: Mapped[UUID]
    amount: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    reference: Mapped[UUID]
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
            UniqueConstraint(_tenant_column(cls), "reference"),
            Index(f"ix_{name}_open", "created_at", postgresql_where=text("state = 'open'")),
        )


class EntryColumns:
    """One side of a transaction. The entries of a transaction sum to zero (checked at commit).

    `number` counts an owner's transactions without gaps, in the order of their commits.
    `balance_after` is set on entries of the book `balance` only.
    """

    id: Mapped[UUID] = mapped_column(primary_key=True)
    transaction_id: Mapped[UUID] = mapped_column(index=True)
    tenant_id: Mapped[UUID] = mapped_column(index=True)
    number: Mapped[int] = mapped_column(BigInteger)
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
        return (
            CheckConstraint("book IN ('balance', 'cash', 'revenue')", name="book"),
            CheckConstraint("(book = 'balance') = (balance_after IS NOT NULL)", name="after"),
            UniqueConstraint(_tenant_column(cls), "book", "number"),
        )


_ZERO_SUM = """
CREATE FUNCTION {table}_zero_sum() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE touched uuid;
BEGIN
    -- OLD is null on INSERT, NEW on DELETE; an UPDATE may have moved an entry elsewhere.
    FOREACH touched IN ARRAY ARRAY[OLD.transaction_id, NEW.transaction_id] LOOP
        IF (SELECT sum(amount) FROM {table} WHERE transaction_id = touched) <> 0 THEN
            RAISE EXCEPTION 'transaction % does not sum to zero', touched
                USING ERRCODE = 'check_violation';
        END IF;
    END LOOP;
    RETURN NULL;
END $$
"""
_ZERO_SUM_TRIGGER = """
CREATE CONSTRAINT TRIGGER zero_sum AFTER INSERT OR UPDATE OR DELETE ON {table}
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {table}_zero_sum()
"""
_FLOOR = """
CREATE FUNCTION {table}_floor() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.balance - NEW.held + NEW.credit_limit < 0
        AND NEW.balance - NEW.held < OLD.balance - OLD.held
    THEN
        RAISE EXCEPTION 'balance below its limit' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$
"""
_FLOOR_TRIGGER = """
CREATE TRIGGER floor BEFORE UPDATE ON {table}
FOR EACH ROW EXECUTE FUNCTION {table}_floor()
"""


def zero_sum_trigger(table: str) -> list[str]:
    """SQL for migrations: the entries of each transaction sum to zero when it commits."""
    return [part.format(table=table) for part in (_ZERO_SUM, _ZERO_SUM_TRIGGER)]


def floor_trigger(table: str) -> list[str]:
    """SQL for migrations: no posting or hold takes what is available below zero."""
    return [part.format(table=table) for part in (_FLOOR, _FLOOR_TRIGGER)]
