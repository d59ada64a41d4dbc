"""Every statement on what we know of a foreign platform, inside the caller's transaction.

Locks are taken in the order VM, user, platform.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from selling_service.provisioning.drivers.foreign.limits import Limits
from selling_service.provisioning.drivers.foreign.models import ForeignUserRow, ForeignVMRow
from selling_service.provisioning.platform import Capacity, VMSize

VM = ForeignVMRow
_USER = ForeignUserRow
_COUNTED = ("vcpu", "ram_mib", "disk_gib")


class Store:
    """The rows of one platform, by one connection."""

    def __init__(self, connection: AsyncConnection, *, platform: str) -> None:
        self._connection = connection
        self._platform = platform

    async def hold_vm(self, vm_id: UUID) -> RowMapping | None:
        """Lock the VM, also one that has no row yet; it, deleted or not.

        `held` says whether another call holds it for longer than a transaction.
        """
        await self._lock(f"{self._platform}/{vm_id}")
        held = func.coalesce(VM.held_until > func.clock_timestamp(), False).label("held")
        return await self._one(select(VM.__table__, held).where(self._vm(vm_id)).with_for_update())

    async def find_vm(self, vm_id: UUID) -> RowMapping | None:
        return await self._one(select(VM.__table__).where(self._vm(vm_id), ~VM.deleted))

    async def vms(self, owner_id: UUID | None = None) -> Sequence[RowMapping]:
        """What is not deleted, of one owner or of all."""
        here = select(VM.__table__).where(VM.platform == self._platform, ~VM.deleted)
        mine = here if owner_id is None else here.where(VM.owner_id == owner_id)
        return (await self._connection.execute(mine.order_by(VM.vm_id))).mappings().all()

    async def put_vm(self, vm_id: UUID, values: dict[str, Any]) -> RowMapping:
        """Write these columns; all of them where there is no row yet."""
        fresh = insert(VM).values(platform=self._platform, vm_id=vm_id, **values)
        written = await self._connection.execute(
            fresh.on_conflict_do_update(
                index_elements=["platform", "vm_id"], set_=values
            ).returning(VM.__table__)
        )
        row: RowMapping = written.mappings().one()
        return row

    async def change_vm(self, vm_id: UUID, values: dict[str, Any]) -> RowMapping:
        changed = await self._connection.execute(
            update(VM).where(self._vm(vm_id)).values(**values).returning(VM.__table__)
        )
        row: RowMapping = changed.mappings().one()
        return row

    async def change_held(
        self, vm_id: UUID, values: dict[str, Any], *, token: UUID
    ) -> RowMapping | None:
        """Change the VM where this call still holds it; None where another one took it over."""
        mine = and_(self._vm(vm_id), VM.held_by == token)
        changed = await self._connection.execute(
            update(VM).where(mine).values(**values).returning(VM.__table__)
        )
        row: RowMapping | None = changed.mappings().one_or_none()
        return row

    async def put_user(self, owner_id: UUID) -> None:
        fresh = insert(_USER).values(platform=self._platform, owner_id=owner_id)
        await self._connection.execute(fresh.on_conflict_do_nothing())

    async def hold_user(self, owner_id: UUID) -> bool:
        """Lock the user; false where there is none."""
        statement = select(_USER.owner_id).where(self._user(owner_id)).with_for_update()
        return (await self._connection.execute(statement)).first() is not None

    async def delete_user(self, owner_id: UUID) -> None:
        await self._connection.execute(delete(_USER).where(self._user(owner_id)))

    async def hold_room(self) -> None:
        """Let nobody else count and take until the transaction ends."""
        await self._lock(self._platform)

    async def capacity(self, limits: Limits) -> Capacity:
        """The totals, and what the VMs that are not deleted take of them."""
        sums = [func.coalesce(func.sum(getattr(VM, name)), 0).label(name) for name in _COUNTED]
        here = select(func.count().label("vms"), *sums).where(
            VM.platform == self._platform, ~VM.deleted
        )
        used = (await self._connection.execute(here)).mappings().one()
        names = ("vms", *_COUNTED)
        totals = {name: getattr(limits, name) for name in names}
        return Capacity(**totals, **{f"{name}_used": int(used[name]) for name in names})

    async def _lock(self, name: str) -> None:
        key = func.hashtextextended(name, 17)
        await self._connection.execute(select(func.pg_advisory_xact_lock(key)))

    def _vm(self, vm_id: UUID) -> ColumnElement[bool]:
        return and_(VM.platform == self._platform, VM.vm_id == vm_id)

    def _user(self, owner_id: UUID) -> ColumnElement[bool]:
        return and_(_USER.platform == self._platform, _USER.owner_id == owner_id)

    async def _one(self, statement: Any) -> RowMapping | None:  # noqa: ANN401  # a select
        return (await self._connection.execute(statement)).mappings().one_or_none()


def size_of(row: RowMapping) -> VMSize:
    """The size that a VM's row holds."""
    return VMSize(
        vcpu=row["vcpu"], ram_mib=row["ram_mib"], disk_gib=row["disk_gib"], ipv4=row["ipv4"]
    )


def has_room(capacity: Capacity, size: VMSize) -> bool:
    """Whether one more VM of this size fits."""
    return (
        capacity.vms_used < capacity.vms
        and capacity.vcpu_used + size.vcpu <= capacity.vcpu
        and capacity.ram_mib_used + size.ram_mib <= capacity.ram_mib
        and capacity.disk_gib_used + size.disk_gib <= capacity.disk_gib
    )
