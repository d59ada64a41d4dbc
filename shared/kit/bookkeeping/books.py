"""The statements that move money: hold, capture, release, charge, top-up, credit limit.

Whole minor units of one currency per owner; an amount in another one is refused. An owner's
balance is what we owe them: a top-up adds, a charge takes. `available = balance - held +
credit_limit`, and no posting takes it below zero.
The balance row is the last lock but one (the feed's) in the order of locks.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.contract.problems import INSUFFICIENT_BALANCE, INVALID_REQUEST, PARKED, UNAVAILABLE
from shared.kit.bookkeeping.tables import (
    MOST,
    BalanceColumns,
    Book,
    EntryColumns,
    HoldColumns,
    HoldState,
)
from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.problems import ProblemError

B = TypeVar("B", bound=BalanceColumns)
H = TypeVar("H", bound=HoldColumns)
E = TypeVar("E", bound=EntryColumns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posting:
    """What money moves for: its kind, the command or operation, the service, a line of text.

    `currency` is the amount's; without it that is the currency of the house.
    """

    kind: str
    text: str
    reference: UUID | None = None
    service_id: UUID | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """What is added to a balance row; a posting also takes the next number of the statement.

    What was held is in the currency of the balance, whichever that is; the rest names its own.
    """

    balance: int = 0
    held: int = 0
    postings: int = 0
    currency: str | None = None
    # Whether it is something new, which a parked balance doesn't take.
    new: bool = False


class Books(Generic[B, H, E]):
    """The statements on one set of tables.

    A balance is made when it is first needed, in the currency of the house (the session's). Where
    an amount is in another currency than the balance, `unavailable` is raised: that is for whoever
    runs the house to put right, and says nothing about a command.
    """

    def __init__(self, *, balances: type[B], holds: type[H], entries: type[E]) -> None:
        self._balances = balances
        self._holds = holds
        self._entries = entries

    async def open_balance(
        self, session: WriteSession, *, owner: UUID, currency: str, credit_limit: int = 0
    ) -> B:
        """Make a balance of zero for a new owner; an existing one is left and returned."""
        _check_limit(credit_limit)
        table = self._balances
        row = {table.tenant_id: owner, table.currency: currency, table.credit_limit: credit_limit}
        await session.execute(insert(table).values(row).on_conflict_do_nothing())
        return await self.balance(session, owner=owner)

    async def balance(self, session: ReadSession, *, owner: UUID) -> B:
        """Return the balance row; one that was never used reads as zero."""
        table = self._balances
        statement = select(table).where(table.tenant_id == owner)
        found = await session.scalars(statement.execution_options(populate_existing=True))
        return found.one_or_none() or self._unused(session, owner)

    async def currencies(self, session: ReadSession) -> set[str]:
        """The currencies of all balances that the session sees."""
        return set((await session.scalars(select(self._balances.currency).distinct())).all())

    async def set_credit_limit(
        self, session: WriteSession, *, owner: UUID, credit_limit: int
    ) -> int:
        """Set how far the balance may go below zero; the limit before. Holds and debts stay."""
        _check_limit(credit_limit)
        row = await self.lock(session, owner=owner)
        if row.currency != session.currency:
            raise _wrong_currency(row, session.currency)
        before = row.credit_limit
        table = self._balances
        await session.execute(
            update(table)
            .where(table.tenant_id == owner)
            .values(credit_limit=credit_limit)
            .execution_options(synchronize_session=False)
        )
        return before

    async def hold(self, session: WriteSession, *, owner: UUID, amount: int, posting: Posting) -> H:
        """Set money aside. Raises `insufficient_balance`, `parked`."""
        _check_amount(amount, least=0)
        currency = posting.currency or session.currency
        await self._move(session, owner, _Move(held=amount, currency=currency, new=True))
        row = self._holds()
        row.id, row.tenant_id, row.amount, row.state = new_id(), owner, amount, HoldState.OPEN
        row.reference = posting.reference or row.id
        row.service_id, row.text = posting.service_id, posting.text
        row.created_at, row.closed_at = session.clock.now(), None
        session.add(row)
        await session.flush()
        return row

    async def capture(
        self, session: WriteSession, *, owner: UUID, hold_id: UUID, kind: str
    ) -> bool:
        """Charge what was held; false where the hold is closed already or isn't this owner's."""
        hold = await self._close(session, owner=owner, hold_id=hold_id, state=HoldState.CAPTURED)
        if hold is None:
            return False
        move = _Move(balance=-hold.amount, held=-hold.amount, postings=1)
        posting = Posting(
            kind=kind, text=hold.text, reference=hold.reference, service_id=hold.service_id
        )
        await self._post(session, owner, move, Book.REVENUE, posting)
        return True

    async def release(self, session: WriteSession, *, owner: UUID, hold_id: UUID) -> bool:
        """Give back what was held; false where the hold is closed already or isn't this owner's."""
        hold = await self._close(session, owner=owner, hold_id=hold_id, state=HoldState.RELEASED)
        if hold is None:
            return False
        await self._move(session, owner, _Move(held=-hold.amount))
        return True

    async def charge(
        self, session: WriteSession, *, owner: UUID, amount: int, posting: Posting
    ) -> UUID:
        """Take money at once; the transaction's id. Raises `insufficient_balance`, `parked`."""
        _check_amount(amount, least=0)
        currency = posting.currency or session.currency
        move = _Move(balance=-amount, postings=1, currency=currency, new=True)
        return await self._post(session, owner, move, Book.REVENUE, posting)

    async def top_up(
        self,
        session: WriteSession,
        *,
        owner: UUID,
        amount: int,
        posting: Posting,
        against: Book = Book.CASH,
    ) -> UUID:
        """Add money (negative: pay out, within what is available); the transaction's id.

        `against` is where it comes from: cash, or revenue where a charge is corrected. Raises
        `insufficient_balance`, and `invalid_request` where the balance can't hold it.
        """
        _check_amount(amount, least=-MOST)
        currency = posting.currency or session.currency
        move = _Move(balance=amount, postings=1, currency=currency)
        return await self._post(session, owner, move, against, posting)

    async def park(self, session: WriteSession, *, owner: UUID, code: str, detail: str) -> bool:
        """Take no new holds and charges of this owner's; false where it was parked before."""
        return await self._set_parked(session, owner, at=session.clock.now(), why=(code, detail))

    async def unpark(self, session: WriteSession, *, owner: UUID) -> bool:
        """Take them again; false where it wasn't parked."""
        return await self._set_parked(session, owner, at=None, why=(None, None))

    async def _set_parked(
        self,
        session: WriteSession,
        owner: UUID,
        *,
        at: datetime | None,
        why: tuple[str | None, str | None],
    ) -> bool:
        table = self._balances
        is_other = table.parked_at.is_(None) if at else table.parked_at.is_not(None)
        found = await session.scalars(
            update(table)
            .where(table.tenant_id == owner, is_other)
            .values(parked_at=at, parked_code=why[0], parked_detail=why[1])
            .returning(table.tenant_id)
            .execution_options(synchronize_session=False)
        )
        return found.one_or_none() is not None

    async def _move(self, session: WriteSession, owner: UUID, move: _Move) -> Row[int, int]:
        """Change the balance row under its lock; what it is afterwards."""
        moved = await self._try_move(session, owner, move)
        if moved is None:
            row = await self.lock(session, owner=owner)
            # The row may be new, or have changed before it was locked: only now is it certain.
            moved = await self._try_move(session, owner, move)
            if moved is None:
                raise _refusal(row, move)
        return moved

    async def _try_move(
        self, session: WriteSession, owner: UUID, move: _Move
    ) -> Row[int, int] | None:
        table = self._balances
        statement = (
            update(table)
            .where(table.tenant_id == owner, (table.balance + move.balance).between(-MOST, MOST))
            .values(
                balance=table.balance + move.balance,
                held=table.held + move.held,
                postings=table.postings + move.postings,
            )
            .returning(table.balance, table.postings)
            .execution_options(synchronize_session=False)
        )
        spent = move.held - move.balance
        # Capturing, releasing and topping up never lower what is available: no debt blocks them.
        if spent > 0:
            statement = statement.where(table.balance - table.held + table.credit_limit >= spent)
        if move.currency is not None:
            statement = statement.where(table.currency == move.currency)
        if move.new:
            statement = statement.where(table.parked_at.is_(None))
        return (await session.execute(statement)).one_or_none()

    async def lock(self, session: WriteSession, *, owner: UUID) -> B:
        """Lock the balance row until the transaction ends; made where it is missing."""
        table = self._balances
        statement = select(table).where(table.tenant_id == owner).with_for_update()
        statement = statement.execution_options(populate_existing=True)
        row = (await session.scalars(statement)).one_or_none()
        if row is None:
            await self.open_balance(session, owner=owner, currency=session.currency)
            row = (await session.scalars(statement)).one()
        return row

    def _unused(self, session: ReadSession, owner: UUID) -> B:
        row = self._balances()
        row.tenant_id, row.currency = owner, session.currency
        row.balance = row.held = row.credit_limit = row.postings = 0
        return row

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
        self, session: WriteSession, owner: UUID, move: _Move, other: Book, posting: Posting
    ) -> UUID:
        """Move the balance and write both sides of it; the transaction's id."""
        after = await self._move(session, owner, move)
        transaction_id = new_id()
        for book, part in ((Book.BALANCE, move.balance), (other, -move.balance)):
            row = self._entries()
            row.id, row.transaction_id, row.tenant_id = new_id(), transaction_id, owner
            row.number, row.book, row.kind, row.amount = after.postings, book, posting.kind, part
            row.balance_after = after.balance if book is Book.BALANCE else None
            row.reference, row.service_id = posting.reference, posting.service_id
            row.text, row.at = posting.text, session.clock.now()
            session.add(row)
        await session.flush()
        return transaction_id


def _check_amount(amount: int, *, least: int) -> None:
    if amount < least:
        message = f"an amount of {amount} can't be booked so"
        raise ValueError(message)
    if amount > MOST:
        raise _too_much()


def _check_limit(credit_limit: int) -> None:
    if not 0 <= credit_limit <= MOST:
        raise _too_much()


def _too_much() -> ProblemError:
    detail = f"The books hold amounts up to {MOST} minor units, and credit limits from 0 on."
    return ProblemError(INVALID_REQUEST, detail)


def _wrong_currency(row: BalanceColumns, currency: str) -> ProblemError:
    detail = f"The balance is in {row.currency}, the amount in {currency}. Nothing was booked."
    return ProblemError(UNAVAILABLE, detail)


def _refusal(row: BalanceColumns, move: _Move) -> ProblemError:
    if move.currency not in {None, row.currency}:
        return _wrong_currency(row, str(move.currency))
    if abs(row.balance + move.balance) > MOST:
        return _too_much()
    if move.new and row.parked_at is not None:
        detail = "The account is being looked at by our staff. Nothing was booked; ask us."
        return ProblemError(PARKED, detail)
    detail = "The available balance doesn't cover this. Top up and try again."
    return ProblemError(INSUFFICIENT_BALANCE, detail)
