"""HTTP of tariffs: import and set-up for staff, what is on sale for clients.

While a seller's catalogue is fetched, no transaction is open.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Query

from reselling_service.database import ClientRead, ResellingRuntime, RuntimeDep
from reselling_service.sellers.errors import CALL_PROBLEMS
from reselling_service.sellers.queries import access_of, get_seller
from reselling_service.staff.routes import AnyStaff, OperatorStaff
from reselling_service.tariffs import queries
from reselling_service.tariffs.actions import importing, pricing
from reselling_service.tariffs.actions.importing import ImportWish
from reselling_service.tariffs.errors import NOT_IN_CATALOG, OTHER_CURRENCY, TARIFF_WITHDRAWN
from reselling_service.tariffs.schemas import (
    DiffResult,
    ImportRequest,
    OfferView,
    SyncRequest,
    TariffChange,
    TariffView,
    diff_result,
    offer_view,
    tariff_view,
)
from shared.contract.basics import Page
from shared.contract.offers import Catalog
from shared.contract.problems import (
    BODY_TOO_LARGE,
    CURSOR_INVALID,
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    NOT_FOUND,
    UNAUTHORIZED,
)
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people import StaffPrincipal
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import ROLE_REQUIRED
from shared.kit.principals import CurrentClient
from shared.kit.problems import declare

_staff = APIRouter(tags=["tariffs"])
_client = APIRouter(prefix="/tariffs", tags=["tariffs"])
staff_routers = [_staff]
client_routers = [_client]

SellerId = Annotated[UUID, Path(description="Id of the seller.")]
_ONE = (UNAUTHORIZED, NOT_FOUND, INVALID_REQUEST)
_LIST = (UNAUTHORIZED, CURSOR_INVALID, INVALID_REQUEST)
_CHANGE = (*_ONE, ROLE_REQUIRED, MALFORMED_REQUEST, BODY_TOO_LARGE)
_FETCH = (*_CHANGE, *CALL_PROBLEMS, OTHER_CURRENCY)


@_staff.post(
    "/sellers/{seller_id}/import",
    summary="Import tariffs from a seller",
    description="A client's price is the seller's charge plus the markup, never below it.",
    responses=declare(*_FETCH, NOT_IN_CATALOG),
)
async def import_tariffs(
    seller_id: SellerId, body: ImportRequest, staff: OperatorStaff, runtime: RuntimeDep
) -> DiffResult:
    """Answers with how the imported offers stood before; the tariffs are listed at `/tariffs`."""
    catalog = await _fetch(runtime, staff, seller_id)
    wish = ImportWish(
        upstream_ids=None if body.upstream_ids is None else frozenset(body.upstream_ids),
        markup_percent=body.markup_percent,
        names=body.names,
        enable=body.enable,
    )
    async with runtime.staff.write() as session:
        found = await importing.import_tariffs(session, staff, seller_id, catalog, wish)
    return diff_result(found, catalog_version=catalog.version, dry_run=False)


@_staff.post(
    "/sellers/{seller_id}/sync-tariffs",
    summary="Compare with the seller's catalogue, and catch up",
    description="With `dry_run` only the differences are told. New offers are told, not imported.",
    responses=declare(*_FETCH),
)
async def sync_tariffs(
    seller_id: SellerId, body: SyncRequest, staff: OperatorStaff, runtime: RuntimeDep
) -> DiffResult:
    """Prices follow the seller's at each tariff's own markup; withdrawn tariffs leave the sale."""
    catalog = await _fetch(runtime, staff, seller_id)
    if body.dry_run:
        async with runtime.staff.read() as session:
            found = await importing.find_differences(session, seller_id=seller_id, catalog=catalog)
    else:
        async with runtime.staff.write() as session:
            found = await importing.resync(session, staff, seller_id, catalog)
    return diff_result(found, catalog_version=catalog.version, dry_run=body.dry_run)


@_staff.get("/tariffs", summary="List tariffs with cost and margin", responses=declare(*_LIST))
async def list_tariffs(
    *,
    _person: AnyStaff,
    session: StaffRead,
    seller_id: Annotated[UUID | None, Query(description="Of this seller only.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[TariffView]:
    """Oldest first, also those that aren't on sale."""
    rows = await queries.list_tariffs(
        session, seller_id=seller_id, after=decode_cursor(after), limit=limit
    )
    prices = await queries.list_prices(session, rows)
    return make_page(
        rows,
        limit=limit,
        row_id=lambda row: row.id,
        item=lambda row: tariff_view(row, prices[row.id]),
    )


@_staff.get("/tariffs/{tariff_id}", summary="One tariff", responses=declare(*_ONE))
async def read_tariff(tariff_id: UUID, _person: AnyStaff, session: StaffRead) -> TariffView:
    """With cost and margin per period."""
    row = await queries.get_tariff(session, tariff_id=tariff_id)
    return tariff_view(row, (await queries.list_prices(session, [row]))[row.id])


@_staff.patch(
    "/tariffs/{tariff_id}",
    summary="Set up how a tariff is sold",
    description="Name, description, markup, on sale or not. Services keep their price.",
    responses=declare(*_CHANGE, TARIFF_WITHDRAWN),
)
async def change_tariff(
    tariff_id: UUID, body: TariffChange, staff: OperatorStaff, session: StaffWrite
) -> TariffView:
    """Fields that are left out stay as they are."""
    changes = body.model_dump(exclude_unset=True)
    row = await pricing.change_tariff(session, staff, tariff_id, changes)
    return tariff_view(row, (await queries.list_prices(session, [row]))[row.id])


@_client.get("", summary="What you can order", responses=declare(*_LIST))
async def list_offers(
    _client_id: CurrentClient,
    session: ClientRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[OfferView]:
    """With all periods and their prices."""
    rows = await queries.list_tariffs(
        session, on_sale=True, after=decode_cursor(after), limit=limit
    )
    prices = await queries.list_prices(session, rows)
    return make_page(
        rows,
        limit=limit,
        row_id=lambda row: row.id,
        item=lambda row: offer_view(row, prices[row.id]),
    )


@_client.get("/{tariff_id}", summary="One offer", responses=declare(*_ONE))
async def read_offer(tariff_id: UUID, _client_id: CurrentClient, session: ClientRead) -> OfferView:
    """One that isn't on sale is not found."""
    row = await queries.get_tariff(session, tariff_id=tariff_id, on_sale=True)
    return offer_view(row, (await queries.list_prices(session, [row]))[row.id])


async def _fetch(runtime: ResellingRuntime, staff: StaffPrincipal, seller_id: UUID) -> Catalog:
    async with runtime.staff.read() as session:
        access = access_of(session, await get_seller(session, staff, seller_id=seller_id))
    return await importing.fetch_catalog(runtime, access)
