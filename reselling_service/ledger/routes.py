"""HTTP of the clients' money: top-ups, statements and holds for staff, their own for clients."""

from typing import Annotated, cast
from uuid import UUID

from fastapi import APIRouter, Query

from reselling_service.database import ClientRead, RuntimeDep
from reselling_service.ledger import actions, queries
from reselling_service.ledger.actions import Payment
from reselling_service.ledger.errors import REFERENCE_TAKEN, WRONG_CURRENCY
from reselling_service.ledger.models import BOOKS, Balance, Entry, Hold
from reselling_service.ledger.schemas import BalanceView, HoldView, StatementLine, TopUpRequest
from reselling_service.staff.routes import AnyStaff, FinanceStaff
from shared.contract.basics import Money, Page
from shared.contract.problems import (
    CURSOR_INVALID,
    INVALID_REQUEST,
    NOT_FOUND,
    UNAUTHORIZED,
)
from shared.kit.bookkeeping import HoldState
from shared.kit.db import ReadSession
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import ROLE_REQUIRED, WITH_BODY
from shared.kit.principals import ClientId, CurrentClient
from shared.kit.problems import ProblemError, declare, not_found

_staff = APIRouter(tags=["money"])
_client = APIRouter(tags=["money"])
staff_routers = [_staff]
client_routers = [_client]

_LIST = (UNAUTHORIZED, CURSOR_INVALID, INVALID_REQUEST)


@_staff.post(
    "/clients/{client_id}/top-ups",
    status_code=201,
    summary="Add a client's payment",
    description="Safe to send again: one `reference` adds its money once. For owner and finance.",
    responses=declare(
        UNAUTHORIZED,
        ROLE_REQUIRED,
        NOT_FOUND,
        REFERENCE_TAKEN,
        WRONG_CURRENCY,
        *WITH_BODY,
    ),
)
async def add_top_up(
    client_id: UUID,
    body: TopUpRequest,
    staff: FinanceStaff,
    runtime: RuntimeDep,
    session: StaffWrite,
) -> StatementLine:
    """Answers with the line on the client's statement."""
    currency = runtime.settings.currency
    if body.amount.currency != currency:
        raise ProblemError(WRONG_CURRENCY, f"This house takes {currency}. Nothing was added.")
    payment = Payment(
        reference=body.reference, amount=body.amount.amount, currency=currency, text=body.text
    )
    entry = await actions.top_up(session, staff, ClientId(client_id), payment)
    return _line(entry, currency)


@_staff.get(
    "/clients/{client_id}/balance",
    summary="A client's balance",
    responses=declare(UNAUTHORIZED, NOT_FOUND, INVALID_REQUEST),
)
async def read_balance(client_id: UUID, _person: AnyStaff, session: StaffRead) -> BalanceView:
    """What the client has, and how much of it is held."""
    await _check_client(session, client_id)
    return _balance(await BOOKS.balance(session, owner=client_id))


@_staff.get(
    "/clients/{client_id}/statement",
    summary="A client's statement",
    responses=declare(*_LIST, NOT_FOUND),
)
async def read_statement(
    client_id: UUID,
    _person: AnyStaff,
    session: StaffRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[StatementLine]:
    """Every movement of the client's balance, oldest first."""
    await _check_client(session, client_id)
    return await _statement(session, ClientId(client_id), after=after, limit=limit)


@_staff.get("/holds", summary="Money set aside", responses=declare(*_LIST))
async def read_holds(
    *,
    _person: AnyStaff,
    runtime: RuntimeDep,
    session: StaffRead,
    client_id: Annotated[UUID | None, Query(description="Of this client only.")] = None,
    state: Annotated[HoldState | None, Query(description="In this state only.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[HoldView]:
    """Holds of all clients, oldest first: `open` ones belong to commands that aren't done."""
    rows = await queries.list_holds(
        session,
        None if client_id is None else ClientId(client_id),
        state=state,
        after=decode_cursor(after),
        limit=limit,
    )
    currency = runtime.settings.currency
    return make_page(
        rows, limit=limit, row_id=lambda row: row.id, item=lambda row: _hold(row, currency)
    )


@_client.get("/balance", summary="Your balance", responses=declare(UNAUTHORIZED))
async def read_own_balance(client_id: CurrentClient, session: ClientRead) -> BalanceView:
    """What you have, and how much of it is held for orders under way."""
    return _balance(await BOOKS.balance(session, owner=client_id))


@_client.get("/statement", summary="Your statement", responses=declare(*_LIST))
async def read_own_statement(
    client_id: CurrentClient, session: ClientRead, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> Page[StatementLine]:
    """Every payment and charge of yours, oldest first."""
    return await _statement(session, client_id, after=after, limit=limit)


async def _check_client(session: ReadSession, client_id: UUID) -> None:
    if not await queries.client_exists(session, ClientId(client_id)):
        raise not_found("client")


async def _statement(
    session: ReadSession, client_id: ClientId, *, after: str | None, limit: int
) -> Page[StatementLine]:
    rows = await queries.list_statement(session, client_id, after=decode_cursor(after), limit=limit)
    currency = (await BOOKS.balance(session, owner=client_id)).currency
    return make_page(
        rows, limit=limit, row_id=lambda row: row.id, item=lambda row: _line(row, currency)
    )


def _balance(row: Balance) -> BalanceView:
    return BalanceView(
        balance=Money(amount=row.balance, currency=row.currency),
        held=Money(amount=row.held, currency=row.currency),
        available=Money(amount=row.available, currency=row.currency),
    )


def _line(row: Entry, currency: str) -> StatementLine:
    """An entry of the book `balance`: only those say what the balance was afterwards."""
    return StatementLine(
        id=row.id,
        at=row.at,
        kind=row.kind,
        service_id=row.service_id,
        amount=Money(amount=row.amount, currency=currency),
        balance_after=Money(amount=cast(int, row.balance_after), currency=currency),
        text=row.text,
    )


def _hold(row: Hold, currency: str) -> HoldView:
    return HoldView(
        id=row.id,
        client_id=row.tenant_id,
        service_id=row.service_id,
        command_id=row.reference,
        amount=Money(amount=row.amount, currency=currency),
        state=row.state,
        text=row.text,
        created_at=row.created_at,
        closed_at=row.closed_at,
    )
