"""Every SELECT on the partners' money: balance and statement of one partner; moves none."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, MetaData, Table, Uuid, select

from selling_service.ledger.models import BOOKS, Balance, Entry
from selling_service.ledger.rules import ByHand
from selling_service.partners.models import Partner
from shared.contract.problems import CURSOR_INVALID
from shared.kit.bookkeeping import Book
from shared.kit.db import ReadSession
from shared.kit.problems import ProblemError, not_found

# The room of services lies above this one; a statement only needs to know what its rows are
# called outside, so they are read by the names of their tables.
_above = MetaData()
_services = Table(
    "services", _above, Column("partner_id", Uuid), Column("id", Uuid), Column("service_ref", Uuid)
)
_operations = Table("operations", _above, Column("partner_id", Uuid), Column("id", Uuid))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One posting on a partner's balance, with the names that the partner knows."""

    entry: Entry
    service_ref: UUID | None = None
    operation_id: UUID | None = None


async def find_balance(session: ReadSession, partner_id: UUID) -> Balance:
    """Return a partner's balance; zeros where it was never used. Raises `not_found`."""
    await check_partner(session, partner_id)
    return await BOOKS.balance(session, owner=partner_id)


async def check_partner(session: ReadSession, partner_id: UUID) -> None:
    """Raise `not_found` where there is no such partner."""
    if await session.scalar(select(Partner.id).where(Partner.id == partner_id)) is None:
        raise not_found("partner")


async def list_statement(
    session: ReadSession,
    partner_id: UUID,
    *,
    since: datetime | None,
    until: datetime | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Line]:
    """Return up to `limit + 1` postings in the order of their commits, from `since` to `until`.

    Half-open: a posting at `until` isn't in it. Raises `cursor_invalid`.
    """
    statement = (
        select(Entry, _services.c.service_ref, _operations.c.id)
        .outerjoin(
            _services,
            (_services.c.id == Entry.service_id) & (_services.c.partner_id == Entry.tenant_id),
        )
        .outerjoin(
            _operations,
            (_operations.c.id == Entry.reference) & (_operations.c.partner_id == Entry.tenant_id),
        )
        .where(Entry.tenant_id == partner_id, Entry.book == Book.BALANCE)
        .order_by(Entry.number)
        .limit(limit + 1)
    )
    if since is not None:
        statement = statement.where(Entry.at >= since)
    if until is not None:
        statement = statement.where(Entry.at < until)
    if after is not None:
        statement = statement.where(Entry.number > await _number(session, partner_id, after))
    rows = (await session.execute(statement)).all()
    return [
        Line(entry=entry, service_ref=service_ref, operation_id=operation_id)
        for entry, service_ref, operation_id in rows
    ]


async def _number(session: ReadSession, partner_id: UUID, entry_id: UUID) -> int:
    """Return the number of a line that was seen before. Ids follow the clocks of many machines."""
    statement = select(Entry.number).where(Entry.tenant_id == partner_id, Entry.id == entry_id)
    number = await session.scalar(statement)
    if number is None:
        detail = "Use the `next` of the page before, or leave `after` out."
        raise ProblemError(CURSOR_INVALID, detail)
    return number


async def find_posting(session: ReadSession, partner_id: UUID, *, reference: UUID) -> Line | None:
    """Return what staff have booked by hand under this reference, if anything."""
    statement = select(Entry).where(
        Entry.tenant_id == partner_id,
        Entry.reference == reference,
        Entry.book == Book.BALANCE,
        Entry.kind.in_(ByHand),
    )
    entry = (await session.scalars(statement)).one_or_none()
    return None if entry is None else Line(entry=entry)


async def get_posting(session: ReadSession, partner_id: UUID, *, transaction_id: UUID) -> Line:
    """Return the line of a transaction. Raises NoResultFound."""
    statement = select(Entry).where(
        Entry.tenant_id == partner_id,
        Entry.transaction_id == transaction_id,
        Entry.book == Book.BALANCE,
    )
    return Line(entry=(await session.scalars(statement)).one())
