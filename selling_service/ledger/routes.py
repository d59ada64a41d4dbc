"""The partners' money over HTTP: for staff, and for the partner whose money it is."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from selling_service.ledger.actions import book_by_hand, set_credit_limit
from selling_service.ledger.errors import REFERENCE_USED
from selling_service.ledger.models import BOOKS
from selling_service.ledger.models import Balance as BalanceRow
from selling_service.ledger.queries import Line, check_partner, find_balance, list_statement
from selling_service.ledger.rules import ByHand
from selling_service.ledger.schemas import CorrectionInput, CreditLimitInput, MoneyInput
from selling_service.partners.routes import FOR_KEYS, PartnerRead, needs
from selling_service.partners.rules import PartnerPrincipal
from selling_service.staff.routes import AnyStaff, FinanceStaff
from shared.contract import problems as catalogue
from shared.contract.basics import Money, Page, Scope
from shared.contract.offers import Balance, StatementLine
from shared.kit.db import ReadSession, WriteSession
from shared.kit.moments import Moment
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_EVERY_ROUTE, FOR_SOME_ROLES, WITH_BODY
from shared.kit.people.principals import StaffPrincipal
from shared.kit.problems import declare

_admin = APIRouter(prefix="/partners/{partner_id}", tags=["money"])
_partner = APIRouter(tags=["money"])
admin_routers = [_admin]
partner_routers = [_partner]

Since = Annotated[
    Moment | None,
    Query(alias="from", description="From here on.", examples=["2030-01-01T00:00:00Z"]),
]
Until = Annotated[
    Moment | None, Query(alias="to", description="Until before.", examples=["2030-02-01T00:00:00Z"])
]
_BOOKS = declare(
    *FOR_SOME_ROLES, *WITH_BODY, catalogue.NOT_FOUND, catalogue.INSUFFICIENT_BALANCE, REFERENCE_USED
)
_LISTS = (catalogue.INVALID_REQUEST, catalogue.CURSOR_INVALID)
MoneyReader = Annotated[PartnerPrincipal, needs(Scope.MONEY_READ)]


@_admin.get(
    "/balance",
    summary="A partner's balance",
    responses=declare(*FOR_EVERY_ROUTE, catalogue.INVALID_REQUEST, catalogue.NOT_FOUND),
)
async def read_balance_of_partner(
    partner_id: UUID, _staff: AnyStaff, session: StaffRead
) -> Balance:
    """Answer with the balance."""
    return _balance(await find_balance(session, partner_id))


@_admin.get(
    "/statement",
    summary="A partner's statement",
    description="In the order in which it was booked.",
    responses=declare(*FOR_EVERY_ROUTE, *_LISTS, catalogue.NOT_FOUND),
)
async def read_statement_of_partner(
    partner_id: UUID,
    _staff: AnyStaff,
    session: StaffRead,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[StatementLine]:
    """Answer with a page."""
    await check_partner(session, partner_id)
    return await _statement(session, partner_id, (since, until), limit=limit, after=after)


@_admin.post(
    "/top-ups",
    status_code=201,
    summary="Add money that a partner has paid",
    description="Owners and finance. What was suspended for the partner's debt is looked at again.",
    responses=_BOOKS,
)
async def add_top_up(
    partner_id: UUID, body: MoneyInput, staff: FinanceStaff, session: StaffWrite
) -> StatementLine:
    """Answer with the line on the statement."""
    return await _book(session, staff, partner_id, ByHand.TOP_UP, body)


@_admin.post(
    "/pay-outs",
    status_code=201,
    summary="Take out money that is paid back to a partner",
    description="Owners and finance. Within what is available.",
    responses=_BOOKS,
)
async def add_pay_out(
    partner_id: UUID, body: MoneyInput, staff: FinanceStaff, session: StaffWrite
) -> StatementLine:
    """Answer with the line on the statement."""
    return await _book(session, staff, partner_id, ByHand.PAY_OUT, body)


@_admin.post(
    "/corrections",
    status_code=201,
    summary="Correct a charge",
    description="Owners and finance. Negative ones only within what is available.",
    responses=_BOOKS,
)
async def add_correction(
    partner_id: UUID, body: CorrectionInput, staff: FinanceStaff, session: StaffWrite
) -> StatementLine:
    """Answer with the line on the statement."""
    return await _book(session, staff, partner_id, ByHand.CORRECTION, body)


@_admin.put(
    "/credit-limit",
    summary="Set how far a partner's balance may go below zero",
    description="Owners and finance. Lowering it leaves holds and debts; only spending stops.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, catalogue.NOT_FOUND),
)
async def put_credit_limit(
    partner_id: UUID, body: CreditLimitInput, staff: FinanceStaff, session: StaffWrite
) -> Balance:
    """Answer with the balance."""
    row = await set_credit_limit(session, staff, partner_id, credit_limit=body.credit_limit)
    return _balance(row)


@_partner.get("/balance", summary="Your balance", responses=declare(*FOR_KEYS))
async def read_balance(principal: MoneyReader, session: PartnerRead) -> Balance:
    """Answer with the balance."""
    return _balance(await BOOKS.balance(session, owner=principal.partner_id))


@_partner.get(
    "/statement",
    summary="Your statement",
    description="In the order in which it was booked; a hold appears once it is charged.",
    responses=declare(*FOR_KEYS, *_LISTS),
)
async def read_statement(
    principal: MoneyReader,
    session: PartnerRead,
    since: Since = None,
    until: Until = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[StatementLine]:
    """Answer with a page."""
    return await _statement(session, principal.partner_id, (since, until), limit=limit, after=after)


async def _book(
    session: WriteSession,
    staff: StaffPrincipal,
    partner_id: UUID,
    kind: ByHand,
    body: MoneyInput | CorrectionInput,
) -> StatementLine:
    line = await book_by_hand(
        session,
        staff,
        partner_id,
        kind,
        amount=body.amount,
        reference=body.reference,
        text=body.text,
    )
    row = await BOOKS.balance(session, owner=partner_id)
    return _line(line, row.currency)


async def _statement(
    session: ReadSession,
    partner_id: UUID,
    span: tuple[datetime | None, datetime | None],
    *,
    limit: int,
    after: str | None,
) -> Page[StatementLine]:
    since, until = span
    lines = await list_statement(
        session,
        partner_id,
        since=since,
        until=until,
        after=decode_cursor(after),
        limit=limit,
    )
    currency = (await BOOKS.balance(session, owner=partner_id)).currency
    return make_page(
        lines,
        limit=limit,
        row_id=lambda line: line.entry.id,
        item=lambda line: _line(line, currency),
    )


def _line(line: Line, currency: str) -> StatementLine:
    entry = line.entry
    after = entry.balance_after or 0
    return StatementLine(
        id=entry.id,
        at=entry.at,
        kind=entry.kind,
        service_ref=line.service_ref,
        operation_id=line.operation_id,
        amount=Money(amount=entry.amount, currency=currency),
        balance_after=Money(amount=after, currency=currency),
        text=entry.text,
    )


def _balance(row: BalanceRow) -> Balance:
    def money(amount: int) -> Money:
        return Money(amount=amount, currency=row.currency)

    return Balance(
        balance=money(row.balance),
        held=money(row.held),
        credit_limit=money(row.credit_limit),
        available=money(row.available),
    )
