"""Takes and gives back stock and capacity; doesn't know what is put there.

Locks in the house's order: the tariff's stock, then the platform's capacity.
"""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Select, literal, select, union_all, update
from sqlalchemy.dialects.postgresql import INTEGER

from selling_service.catalog.models import DataCenter, PlatformRow, Tariff
from selling_service.catalog.rules import OfferedVersion, Totals
from shared.contract.basics import Capability
from shared.contract.problems import NO_CAPACITY, OUT_OF_STOCK
from shared.kit.db import WriteSession
from shared.kit.problems import ProblemError


async def reserve(session: WriteSession, offered: OfferedVersion) -> None:
    """Take one of the stock and the VM's room. Raises `out_of_stock`, `no_capacity`.

    Nothing is to be kept of the transaction (or savepoint) in which it raised.
    """
    found = (await session.execute(_taking(offered))).one()
    if not found.stock:
        detail = "The tariff is sold out. Choose another one, or try again later."
        raise ProblemError(OUT_OF_STOCK, detail)
    if not found.room:
        raise await _no_room(session, offered)


async def release(
    session: WriteSession,
    *,
    tariff_id: UUID,
    data_center_id: UUID,
    vcpu: int,
    ram_mib: int,
    disk_gib: int,
) -> None:
    """Give back what `reserve` took: one of the stock, where it is counted, and the room."""
    await session.execute(
        update(Tariff)
        .where(Tariff.id == tariff_id, Tariff.stock.is_not(None))
        .values(stock=Tariff.stock + 1)
        .execution_options(synchronize_session=False)
    )
    home = select(DataCenter.platform).where(DataCenter.id == data_center_id)
    await session.execute(
        update(PlatformRow)
        .where(PlatformRow.name == home.scalar_subquery())
        .values(
            vms_used=PlatformRow.vms_used - 1,
            vcpu_used=PlatformRow.vcpu_used - vcpu,
            ram_mib_used=PlatformRow.ram_mib_used - ram_mib,
            disk_gib_used=PlatformRow.disk_gib_used - disk_gib,
        )
        .execution_options(synchronize_session=False)
    )


async def record_capacity(
    session: WriteSession,
    *,
    platform: str,
    capacity: Totals,
    capabilities: Collection[Capability],
) -> None:
    """Keep what the platform says it has in all, and can do. What is reserved is our own count."""
    await session.execute(
        update(PlatformRow)
        .where(PlatformRow.name == platform)
        .values(
            vms=capacity.vms,
            vcpu=capacity.vcpu,
            ram_mib=capacity.ram_mib,
            disk_gib=capacity.disk_gib,
            capabilities=sorted(capabilities),
            refreshed_at=session.clock.now(),
        )
        .execution_options(synchronize_session=False)
    )


async def _no_room(session: WriteSession, offered: OfferedVersion) -> ProblemError:
    statement = select(DataCenter.open).where(DataCenter.id == offered.data_center_id)
    if await session.scalar(statement):
        detail = "The data centre is full. Choose another tariff, or try again later."
    else:
        detail = "The data centre is closed for new services. Choose another tariff."
    return ProblemError(NO_CAPACITY, detail)


def _taking(offered: OfferedVersion) -> Select[bool, bool]:
    """One statement that says what it got: `stock`, and `room` only where there was stock."""
    taken = (
        update(Tariff)
        .where(Tariff.id == offered.tariff_id, Tariff.stock > 0)
        .values(stock=Tariff.stock - 1)
        .returning(Tariff.data_center_id)
        .cte("taken")
    )
    uncounted = select(Tariff.data_center_id).where(
        Tariff.id == offered.tariff_id, Tariff.stock.is_(None)
    )
    stock = union_all(select(taken.c.data_center_id), uncounted).cte("stock")
    home = (
        select(DataCenter.platform)
        .where(DataCenter.id == stock.c.data_center_id, DataCenter.open)
        .cte("home")
    )
    # The platform's row is locked only once the tariff's is: it is joined to what that returned.
    room = (
        update(PlatformRow)
        .where(
            PlatformRow.name == home.c.platform,
            PlatformRow.vms_used < PlatformRow.vms,
            PlatformRow.vcpu_used + offered.vcpu <= PlatformRow.vcpu,
            PlatformRow.ram_mib_used + offered.ram_mib <= PlatformRow.ram_mib,
            PlatformRow.disk_gib_used + offered.disk_gib <= PlatformRow.disk_gib,
        )
        .values(
            vms_used=PlatformRow.vms_used + 1,
            vcpu_used=PlatformRow.vcpu_used + offered.vcpu,
            ram_mib_used=PlatformRow.ram_mib_used + offered.ram_mib,
            disk_gib_used=PlatformRow.disk_gib_used + offered.disk_gib,
        )
        .returning(literal(1, INTEGER).label("one"))
        .cte("room")
    )
    return select(
        select(stock.c.data_center_id).exists().label("stock"),
        select(room.c.one).exists().label("room"),
    )
