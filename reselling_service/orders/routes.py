"""HTTP of orders and quotes: by clients for themselves, by staff for a client."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query

from reselling_service.clients.errors import CLIENT_CLOSED
from reselling_service.clients.queries import check_may_order, get_client
from reselling_service.database import ClientRead, ClientWrite
from reselling_service.orders import actions, queries
from reselling_service.orders.actions import Click
from reselling_service.orders.schemas import (
    NewOrder,
    NewQuote,
    OrderView,
    QuoteView,
    StaffOrderView,
    order_view,
    staff_order_view,
)
from reselling_service.sellers.errors import SELLER_DISABLED
from reselling_service.services.rules import Asker, Side
from reselling_service.staff.actions import audit
from reselling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import IDEMPOTENCY_HEADER, Page
from shared.contract.problems import (
    CURSOR_INVALID,
    IDEMPOTENCY_KEY_REUSED,
    INSUFFICIENT_BALANCE,
    INVALID_REQUEST,
    NOT_FOUND,
    NOT_SUPPORTED,
    PARKED,
    PERIOD_NOT_OFFERED,
    TARIFF_UNAVAILABLE,
    UNKNOWN_OS,
)
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_EVERY_ROUTE, FOR_SOME_ROLES, WITH_BODY
from shared.kit.principals import ClientId, CurrentClient
from shared.kit.problems import declare
from shared.kit.vault import Vault

_client = APIRouter(tags=["orders"])
_staff = APIRouter(tags=["orders"])
client_routers = [_client]
staff_routers = [_staff]

OrderId = Annotated[UUID, Path(description="Id of the order.")]
OfClient = Annotated[UUID, Path(description="Id of the client.")]
RequestKey = Annotated[
    str | None,
    Header(
        alias=IDEMPOTENCY_HEADER,
        pattern=r"^[\x21-\x7e]{1,100}$",
        description="Made once per click: the same key is the same order.",
    ),
]
_READ = (*FOR_EVERY_ROUTE, NOT_FOUND, INVALID_REQUEST)
_UNSOLD = (TARIFF_UNAVAILABLE, PERIOD_NOT_OFFERED, SELLER_DISABLED)
_QUOTE = (*FOR_EVERY_ROUTE, *WITH_BODY, *_UNSOLD)
_ORDER = (*_QUOTE, UNKNOWN_OS, NOT_SUPPORTED, INSUFFICIENT_BALANCE, IDEMPOTENCY_KEY_REUSED, PARKED)


def _click(vault: Vault, key: str | None, new: NewOrder) -> Click | None:
    if key is None:
        return None
    return Click(key=key, fingerprint=vault.fingerprint(new.model_dump_json().encode()))


@_client.post(
    "/orders",
    status_code=201,
    summary="Order a service",
    responses=declare(*_ORDER, CLIENT_CLOSED),
)
async def place_own_order(
    client_id: CurrentClient, session: ClientWrite, new: NewOrder, key: RequestKey = None
) -> OrderView:
    """The money is held now, and charged when the service is active.

    If it comes to nothing, the money is free again.
    """
    await check_may_order(session, client_id)
    order = await actions.place_order(
        session,
        client_id,
        new,
        asker=Asker(side=Side.CLIENT, name="client"),
        click=_click(session.vault, key, new),
    )
    return order_view(await queries.get_placed(session, client_id, order_id=order.id))


@_client.post("/quotes", summary="What would it cost?", responses=declare(*_QUOTE))
async def quote_own_order(
    client_id: CurrentClient, session: ClientRead, new: NewQuote
) -> QuoteView:
    """Nothing is held by asking."""
    return await actions.quote(session, client_id, new)


@_client.get("/orders", summary="Your orders", responses=declare(*_READ, CURSOR_INVALID))
async def list_own_orders(
    client_id: CurrentClient,
    session: ClientRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[OrderView]:
    """Oldest first, each with how it stands."""
    rows = await queries.list_placed(session, client_id, after=decode_cursor(after), limit=limit)
    return make_page(rows, limit=limit, row_id=lambda row: row.order.id, item=order_view)


@_client.get("/orders/{order_id}", summary="One of your orders", responses=declare(*_READ))
async def get_own_order(
    client_id: CurrentClient, session: ClientRead, order_id: OrderId
) -> OrderView:
    """How it stands, and why it came to nothing where it did."""
    return order_view(await queries.get_placed(session, client_id, order_id=order_id))


@_staff.post(
    "/clients/{client_id}/orders",
    status_code=201,
    summary="Order for a client",
    responses=declare(*FOR_SOME_ROLES, *_ORDER, NOT_FOUND, CLIENT_CLOSED),
)
async def order_for_client(
    staff: OperatorStaff,
    session: StaffWrite,
    client_id: OfClient,
    new: NewOrder,
    key: RequestKey = None,
) -> StaffOrderView:
    """The client pays, as if they had ordered; who did it is kept."""
    client = ClientId(client_id)
    await check_may_order(session, client)
    order = await actions.place_order(
        session,
        client,
        new,
        asker=Asker(side=Side.STAFF, name=f"staff:{staff.id}"),
        click=_click(session.vault, key, new),
    )
    await audit(
        session,
        staff,
        "order.create",
        object_type="order",
        object_id=order.id,
        after={"client_id": str(client_id), "tariff_id": str(new.tariff_id), "total": order.total},
    )
    return staff_order_view(await queries.get_placed(session, staff, order_id=order.id))


@_staff.post(
    "/clients/{client_id}/quotes",
    summary="What would it cost a client?",
    responses=declare(*_QUOTE, NOT_FOUND),
)
async def quote_for_client(
    _person: AnyStaff, session: StaffRead, client_id: OfClient, new: NewQuote
) -> QuoteView:
    """Nothing is held by asking."""
    await get_client(session, ClientId(client_id))
    return await actions.quote(session, ClientId(client_id), new)


@_staff.get("/orders", summary="All orders", responses=declare(*_READ, CURSOR_INVALID))
async def list_orders(
    staff: AnyStaff,
    session: StaffRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    client_id: Annotated[UUID | None, Query(description="Of this client only.")] = None,
) -> Page[StaffOrderView]:
    """Oldest first, each with its command."""
    rows = await queries.list_placed(
        session, staff, after=decode_cursor(after), limit=limit, client_id=client_id
    )
    return make_page(rows, limit=limit, row_id=lambda row: row.order.id, item=staff_order_view)


@_staff.get("/orders/{order_id}", summary="One order", responses=declare(*_READ))
async def get_order(staff: AnyStaff, session: StaffRead, order_id: OrderId) -> StaffOrderView:
    """With its command, and the seller's problem where it came to nothing."""
    return staff_order_view(await queries.get_placed(session, staff, order_id=order_id))
