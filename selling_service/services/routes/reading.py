"""What a partner may read: services, operations, commands, quotes and the inventory."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from selling_service.catalog.queries import data_center_codes
from selling_service.database import RuntimeDep
from selling_service.events.queries import find_head
from selling_service.partners.routes import FOR_KEYS, PartnerRead, needs
from selling_service.partners.rules import PartnerPrincipal
from selling_service.services import queries, schemas
from selling_service.services.actions.commands import read_command
from selling_service.services.actions.quotes import quote, renewal_prices
from selling_service.services.models import ServiceRow
from shared.contract import problems as catalogue
from shared.contract.basics import Page, Scope, ServiceState
from shared.contract.inventory import RangePrefix
from shared.contract.offers import Quote, QuoteRequest
from shared.contract.operations import CommandRecord, Operation
from shared.contract.services import InventoryPage, ServiceView
from shared.kit.db import ReadSession
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.problems import declare, not_found
from shared.kit.reconciling import bounds

router = APIRouter()
_GATE = (
    *FOR_KEYS,
    catalogue.INVALID_REQUEST,
)
Reader = Annotated[PartnerPrincipal, needs(Scope.SERVICES_READ)]


@router.get(
    "/services",
    tags=["services"],
    summary="Services",
    responses=declare(*_GATE, catalogue.CURSOR_INVALID),
)
async def list_services(
    runtime: RuntimeDep,
    principal: Reader,
    session: PartnerRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    client_ref: Annotated[UUID | None, Query(description="Of this client only.")] = None,
    state: Annotated[ServiceState | None, Query(description="In this state only.")] = None,
) -> Page[ServiceView]:
    """The partner's services, oldest first."""
    rows = await queries.list_services(
        session,
        principal.partner_id,
        limit=limit,
        after=decode_cursor(after),
        client_ref=client_ref,
        state=state,
    )
    views = await _views(session, list(rows), currency=runtime.settings.currency)
    return make_page(rows, limit=limit, row_id=lambda row: row.id, item=lambda row: views[row.id])


@router.get(
    "/services/{service_ref}",
    tags=["services"],
    summary="A service",
    responses=declare(*_GATE, catalogue.NOT_FOUND),
)
async def get_service(
    runtime: RuntimeDep, principal: Reader, session: PartnerRead, service_ref: UUID
) -> ServiceView:
    """A service with its suspensions, term and facts."""
    row = await queries.find_service(session, principal.partner_id, service_ref=service_ref)
    if row is None:
        raise not_found("service")
    return (await _views(session, [row], currency=runtime.settings.currency))[row.id]


async def _views(
    session: ReadSession, rows: list[ServiceRow], *, currency: str
) -> dict[UUID, ServiceView]:
    if not rows:
        return {}
    partner_id = rows[0].partner_id
    suspensions = await queries.suspensions_by_service(
        session, partner_id, service_ids=[row.id for row in rows]
    )
    codes = await data_center_codes(session)
    prices = await renewal_prices(session, partner_id, rows, currency=currency)
    return {
        row.id: schemas.view(
            row,
            suspensions.get(row.id, []),
            vault=session.vault,
            data_center=codes[row.data_center_id],
            renewal_price=prices[row.id],
        )
        for row in rows
    }


@router.get(
    "/operations/{operation_id}",
    tags=["operations"],
    summary="An operation",
    responses=declare(*_GATE, catalogue.NOT_FOUND),
)
async def get_operation(principal: Reader, session: PartnerRead, operation_id: UUID) -> Operation:
    """State, progress, timing and problem of one execution."""
    row = await queries.find_operation(session, principal.partner_id, operation_id=operation_id)
    if row is None:
        raise not_found("operation")
    return schemas.operation(row)


@router.get(
    "/commands/{command_id}",
    tags=["operations"],
    summary="What became of a command",
    description="Remembered for ever. Not found means that it never arrived.",
    responses=declare(*_GATE, catalogue.NOT_FOUND),
)
async def get_command(principal: Reader, session: PartnerRead, command_id: UUID) -> CommandRecord:
    """A command with its operation or its refusal."""
    return await read_command(session, principal.partner_id, command_id=command_id)


@router.post(
    "/quotes",
    tags=["quotes"],
    summary="The price of an order, a renewal or a termination",
    description="Of a service that has ended, `renew` is what a restore with renewal costs.",
    responses=declare(
        *_GATE,
        catalogue.MALFORMED_REQUEST,
        catalogue.BODY_TOO_LARGE,
        catalogue.NOT_FOUND,
        catalogue.TARIFF_UNAVAILABLE,
        catalogue.PERIOD_NOT_OFFERED,
        catalogue.WRONG_STATE,
    ),
)
async def post_quote(
    runtime: RuntimeDep, principal: Reader, session: PartnerRead, body: QuoteRequest
) -> Quote:
    """What it would cost now; nothing is reserved."""
    return await quote(session, principal.partner_id, body, currency=runtime.settings.currency)


@router.get(
    "/inventory",
    tags=["services"],
    summary="A compact list of this installation's services, for reconciliation",
    description="The first page carries the feed's head from before the first row was read.",
    responses=declare(*_GATE, catalogue.CURSOR_INVALID),
)
async def get_inventory(
    principal: Reader,
    session: PartnerRead,
    limit: Limit = 200,
    after: After = None,
    prefix: Annotated[RangePrefix, Query()] = "",
) -> InventoryPage:
    """Every service with its revision, in order of creation; with `prefix` those of a range."""
    cursor = decode_cursor(after)
    head = await find_head(session, principal.partner_id) if cursor is None else None
    rows = await queries.list_services(
        session,
        principal.partner_id,
        limit=limit,
        after=cursor,
        installation_id=principal.installation_id,
        refs=bounds(prefix) if prefix else None,
    )
    suspensions = await queries.suspensions_by_service(
        session, principal.partner_id, service_ids=[row.id for row in rows]
    )
    page = make_page(
        rows,
        limit=limit,
        row_id=lambda row: row.id,
        item=lambda row: schemas.inventory_item(row, suspensions.get(row.id, [])),
    )
    return InventoryPage(items=page.items, next=page.next, head=head)
