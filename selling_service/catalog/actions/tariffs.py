"""Changes tariffs: creates, withdraws, counts stock, adds versions. A version never changes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from selling_service.catalog.actions.places import change_row, insert_by_code
from selling_service.catalog.errors import (
    EFFECTIVE_TOO_EARLY,
    STOCK_NOT_COUNTED,
    STOCK_TOO_LOW,
    unknown,
)
from selling_service.catalog.models import (
    DataCenter,
    OSTemplateRow,
    Tariff,
    TariffPriceRow,
    TariffVersion,
)
from selling_service.catalog.schemas import (
    BIGGEST_INT,
    TariffChangeInput,
    TariffInput,
    VersionInput,
    VersionSpec,
)
from selling_service.staff.actions import audit
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.people.principals import Doer
from shared.kit.problems import ProblemError, not_found


async def create_tariff(session: WriteSession, staff: Doer, wanted: TariffInput) -> Tariff:
    """Make a tariff with its first version. Raises `code_taken`, `invalid_request`."""
    place = select(DataCenter.id).where(DataCenter.code == wanted.data_center)
    data_center_id = await session.scalar(place)
    if data_center_id is None:
        raise unknown("data_center", f"there is no data centre {wanted.data_center}")
    await _check_templates(session, wanted)
    now = session.clock.now()
    row = Tariff(
        id=new_id(),
        code=wanted.code,
        title=wanted.title,
        data_center_id=data_center_id,
        withdrawn=False,
        stock=wanted.stock,
        created_at=now,
    )
    await insert_by_code(session, row, code=wanted.code)
    await _insert_version(session, row, wanted, number=1, since=wanted.effective_from or now)
    await audit(
        session,
        staff,
        "tariff.create",
        object_type="tariff",
        object_id=row.id,
        after=wanted.model_dump(mode="json"),
    )
    return row


async def add_version(
    session: WriteSession, staff: Doer, tariff_id: UUID, wanted: VersionInput
) -> Tariff:
    """Replace what the tariff sells, now or later; services keep the version they have.

    Raises `not_found`, `invalid_request`, `effective_too_early`.
    """
    row = await lock_tariff(session, tariff_id)
    await _check_templates(session, wanted)
    latest = select(func.max(TariffVersion.number), func.max(TariffVersion.effective_from)).where(
        TariffVersion.tariff_id == tariff_id
    )
    number, since_latest = (await session.execute(latest)).one()
    since = wanted.effective_from or session.clock.now()
    if since < since_latest:
        detail = (
            f"The latest version takes effect at {since_latest.isoformat()}. Name that or later."
        )
        raise ProblemError(EFFECTIVE_TOO_EARLY, detail)
    await _insert_version(session, row, wanted, number=number + 1, since=since)
    await audit(
        session,
        staff,
        "tariff.add_version",
        object_type="tariff",
        object_id=row.id,
        before={"number": number},
        after={"number": number + 1, **wanted.model_dump(mode="json")},
    )
    return row


async def change_tariff(
    session: WriteSession, staff: Doer, tariff_id: UUID, wanted: TariffChangeInput
) -> Tariff:
    """Rename, withdraw, or offer again. Raises `not_found`."""
    row = await lock_tariff(session, tariff_id)
    await change_row(session, staff, row, wanted, object_type="tariff", object_id=row.id)
    return row


async def set_stock(
    session: WriteSession, staff: Doer, tariff_id: UUID, *, stock: int | None
) -> Tariff:
    """Say what may still be sold; None stops counting. Raises `not_found`."""
    row = await lock_tariff(session, tariff_id)
    await _record_stock(session, staff, row, stock)
    return row


async def adjust_stock(session: WriteSession, staff: Doer, tariff_id: UUID, *, by: int) -> Tariff:
    """Add to the stock, whatever is sold meanwhile.

    Raises `not_found`, `stock_not_counted`, `stock_too_low`, `invalid_request`.
    """
    row = await lock_tariff(session, tariff_id)
    if row.stock is None:
        detail = "Set the stock first, then it can be adjusted."
        raise ProblemError(STOCK_NOT_COUNTED, detail)
    if row.stock + by < 0:
        detail = f"There are {row.stock} left. Take away no more than that."
        raise ProblemError(STOCK_TOO_LOW, detail)
    if row.stock + by > BIGGEST_INT:
        raise unknown("by", f"the stock can't be above {BIGGEST_INT}")
    await _record_stock(session, staff, row, row.stock + by)
    return row


async def lock_tariff(session: WriteSession, tariff_id: UUID) -> Tariff:
    """Lock the tariff's row, the first in the order of locks. Raises `not_found`."""
    row = await session.get(Tariff, tariff_id, with_for_update=True, populate_existing=True)
    if row is None:
        raise not_found("tariff")
    return row


async def _record_stock(session: WriteSession, staff: Doer, row: Tariff, stock: int | None) -> None:
    before, row.stock = row.stock, stock
    await session.flush()
    await audit(
        session,
        staff,
        "tariff.stock",
        object_type="tariff",
        object_id=row.id,
        before={"stock": before},
        after={"stock": stock},
    )


async def _check_templates(session: WriteSession, wanted: VersionSpec) -> None:
    codes = set(wanted.os_templates)
    known = await session.scalars(select(OSTemplateRow.code).where(OSTemplateRow.code.in_(codes)))
    missing = sorted(codes - set(known))
    if missing:
        raise unknown("os_templates", f"there is no OS template {', '.join(missing)}")


async def _insert_version(
    session: WriteSession, tariff: Tariff, wanted: VersionSpec, *, number: int, since: datetime
) -> None:
    version = TariffVersion(
        id=new_id(),
        tariff_id=tariff.id,
        number=number,
        effective_from=since,
        vcpu=wanted.vcpu,
        ram_mib=wanted.ram_mib,
        disk_gib=wanted.disk_gib,
        ipv4=wanted.ipv4,
        os_templates=list(dict.fromkeys(wanted.os_templates)),
        created_at=session.clock.now(),
    )
    session.add(version)
    await session.flush()
    for period, listed in wanted.prices.items():
        session.add(
            TariffPriceRow(
                version_id=version.id,
                period=period,
                price=listed.price,
                setup_fee=listed.setup_fee,
            )
        )
    await session.flush()
