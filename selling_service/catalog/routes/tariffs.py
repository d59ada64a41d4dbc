"""Routes of tariffs, their versions and their stock."""

from uuid import UUID

from fastapi import APIRouter

from selling_service.catalog.actions import (
    add_version,
    adjust_stock,
    change_tariff,
    create_tariff,
    set_stock,
)
from selling_service.catalog.errors import (
    CODE_TAKEN,
    EFFECTIVE_TOO_EARLY,
    STOCK_NOT_COUNTED,
    STOCK_TOO_LOW,
)
from selling_service.catalog.queries import (
    TariffListing,
    VersionListing,
    find_tariff,
    list_tariffs,
)
from selling_service.catalog.schemas import (
    PriceOutput,
    StockAdjustInput,
    StockInput,
    TariffChangeInput,
    TariffInput,
    TariffOutput,
    VersionInput,
    VersionOutput,
)
from selling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import Page, Period
from shared.contract.problems import CURSOR_INVALID, INVALID_REQUEST, NOT_FOUND
from shared.kit.db import ReadSession
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_EVERY_ROUTE, FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare

router = APIRouter(tags=["catalogue"])


@router.get(
    "/tariffs",
    summary="List tariffs",
    description="Oldest first, with all their versions, also those that are withdrawn.",
    responses=declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, CURSOR_INVALID),
)
async def get_tariffs(
    _staff: AnyStaff, session: StaffRead, limit: Limit = DEFAULT_LIMIT, after: After = None
) -> Page[TariffOutput]:
    """Answer with a page."""
    rows = await list_tariffs(session, after=decode_cursor(after), limit=limit)
    return make_page(
        rows,
        limit=limit,
        row_id=lambda row: row.tariff.id,
        item=lambda row: _tariff(session, row),
    )


@router.get(
    "/tariffs/{tariff_id}",
    summary="One tariff",
    description="With all its versions.",
    responses=declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, NOT_FOUND),
)
async def get_tariff(tariff_id: UUID, _staff: AnyStaff, session: StaffRead) -> TariffOutput:
    """Answer with one."""
    return await _answer(session, tariff_id)


@router.post(
    "/tariffs",
    status_code=201,
    summary="Add a tariff with its first version",
    description="Nobody may resell it until it is offered to a partner. "
    "Prices are in minor units of the service's currency: 990 is 9.90 EUR.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, CODE_TAKEN),
)
async def post_tariff(body: TariffInput, staff: OperatorStaff, session: StaffWrite) -> TariffOutput:
    """Answer with the new tariff."""
    row = await create_tariff(session, staff, body)
    return await _answer(session, row.id)


@router.patch(
    "/tariffs/{tariff_id}",
    summary="Rename, withdraw or offer again",
    description="A withdrawn tariff takes no new orders; its services are renewed as before.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND),
)
async def patch_tariff(
    tariff_id: UUID, body: TariffChangeInput, staff: OperatorStaff, session: StaffWrite
) -> TariffOutput:
    """Answer with the tariff as changed."""
    await change_tariff(session, staff, tariff_id, body)
    return await _answer(session, tariff_id)


@router.post(
    "/tariffs/{tariff_id}/versions",
    status_code=201,
    summary="Change what a tariff sells, by another version",
    description="New orders get it from `effective_from` on; services keep the version they have.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, EFFECTIVE_TOO_EARLY),
)
async def post_version(
    tariff_id: UUID, body: VersionInput, staff: OperatorStaff, session: StaffWrite
) -> TariffOutput:
    """Answer with the tariff and all its versions."""
    await add_version(session, staff, tariff_id, body)
    return await _answer(session, tariff_id)


@router.put(
    "/tariffs/{tariff_id}/stock",
    summary="Set the stock",
    description="What may still be sold from now on. Use adjust to add to what is left.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND),
)
async def put_stock(
    tariff_id: UUID, body: StockInput, staff: OperatorStaff, session: StaffWrite
) -> TariffOutput:
    """Answer with the tariff as changed."""
    await set_stock(session, staff, tariff_id, stock=body.stock)
    return await _answer(session, tariff_id)


@router.post(
    "/tariffs/{tariff_id}/stock/adjust",
    summary="Add to the stock, or take from it",
    description="Counts from what is left at that moment, whatever is sold meanwhile.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, STOCK_NOT_COUNTED, STOCK_TOO_LOW),
)
async def post_stock_adjust(
    tariff_id: UUID, body: StockAdjustInput, staff: OperatorStaff, session: StaffWrite
) -> TariffOutput:
    """Answer with the tariff as changed."""
    await adjust_stock(session, staff, tariff_id, by=body.by)
    return await _answer(session, tariff_id)


async def _answer(session: ReadSession, tariff_id: UUID) -> TariffOutput:
    return _tariff(session, await find_tariff(session, tariff_id))


def _tariff(session: ReadSession, listing: TariffListing) -> TariffOutput:
    row, now = listing.tariff, session.clock.now()
    started = [
        found.version.number for found in listing.versions if found.version.effective_from <= now
    ]
    return TariffOutput(
        id=row.id,
        code=row.code,
        title=row.title,
        data_center=listing.data_center,
        withdrawn=row.withdrawn,
        stock=row.stock,
        version=max(started, default=None),
        versions=[_version(found) for found in listing.versions],
        created_at=row.created_at,
    )


def _version(listing: VersionListing) -> VersionOutput:
    row = listing.version
    prices = {
        Period(found.period): PriceOutput(price=found.price, setup_fee=found.setup_fee)
        for found in listing.prices
    }
    return VersionOutput(
        id=row.id,
        number=row.number,
        effective_from=row.effective_from,
        vcpu=row.vcpu,
        ram_mib=row.ram_mib,
        disk_gib=row.disk_gib,
        ipv4=row.ipv4,
        os_templates=row.os_templates,
        prices={period: prices[period] for period in Period if period in prices},
        created_at=row.created_at,
    )
