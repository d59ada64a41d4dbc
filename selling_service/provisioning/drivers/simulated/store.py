"""Every statement on users and VMs of a simulated platform, inside the caller's transaction.

Locks are taken in the order VM, user, platform.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from selling_service.provisioning.drivers.simulated.models import (
    SimulatedPlatformRow,
    SimulatedUserRow,
    SimulatedVMRow,
)
from selling_service.provisioning.platform import Capacity, Power, VMSize

VM = SimulatedVMRow
_PLATFORM = SimulatedPlatformRow
_USER = SimulatedUserRow
_TAKEN = ("vms", "vcpu", "ram_mib", "disk_gib")


class Store:
    """The rows of one platform, by one connection."""

    def __init__(self, connection: AsyncConnection, *, platform: str) -> None:
        self._connection = connection
        self._platform = platform

    async def hold_vm(self, vm_id: UUID) -> RowMapping | None:
        """Lock the VM, also one that has no row yet, and return it, deleted or not."""
        key = func.hashtextextended(f"{self._platform}/{vm_id}", 0)
        await self._connection.execute(select(func.pg_advisory_xact_lock(key)))
        return await self._one(select(VM.__table__).where(self._vm(vm_id)).with_for_update())

    async def find_vm(self, vm_id: UUID) -> RowMapping | None:
        return await self._one(select(VM.__table__).where(self._vm(vm_id), ~VM.deleted))

    async def vms_of(self, owner_id: UUID) -> Sequence[RowMapping]:
        found = await self._connection.execute(
            select(VM.__table__)
            .where(VM.platform == self._platform, VM.owner_id == owner_id, ~VM.deleted)
            .order_by(VM.vm_id)
        )
        return found.mappings().all()

    async def scan(self, *, after: UUID | None, limit: int) -> Sequence[RowMapping]:
        statement = select(VM.__table__).where(VM.platform == self._platform, ~VM.deleted)
        if after is not None:
            statement = statement.where(VM.vm_id > after)
        found = await self._connection.execute(statement.order_by(VM.vm_id).limit(limit))
        return found.mappings().all()

    async def put_vm(self, vm_id: UUID, **values: Any) -> RowMapping:  # noqa: ANN401  # columns
        """Write the row, over that of a deleted VM with this id."""
        fresh = insert(VM).values(platform=self._platform, vm_id=vm_id, **values)
        written = await self._connection.execute(
            fresh.on_conflict_do_update(
                index_elements=["platform", "vm_id"], set_=values
            ).returning(VM.__table__)
        )
        row: RowMapping = written.mappings().one()
        return row

    async def change_vm(self, vm_id: UUID, **values: Any) -> RowMapping:  # noqa: ANN401  # columns
        changed = await self._connection.execute(
            update(VM).where(self._vm(vm_id)).values(**values).returning(VM.__table__)
        )
        row: RowMapping = changed.mappings().one()
        return row

    async def restart_all(self) -> None:
        """Let every VM stop, and start those that should run."""
        here = and_(VM.platform == self._platform, ~VM.deleted)
        runs = and_(VM.built, ~VM.locked, VM.wanted == Power.RUNNING)
        await self._connection.execute(
            update(VM)
            .where(here)
            .values(
                power=case((runs, Power.RUNNING.value), else_=Power.STOPPED.value),
                seen_hostname=case((runs, VM.hostname), else_=VM.seen_hostname),
                boots=VM.boots + case((runs, 1), else_=0),
            )
        )

    async def put_user(self, owner_id: UUID) -> None:
        fresh = insert(_USER).values(platform=self._platform, owner_id=owner_id)
        await self._connection.execute(fresh.on_conflict_do_nothing())

    async def hold_user(self, owner_id: UUID) -> bool:
        """Lock the user; false where there is none."""
        statement = select(_USER.owner_id).where(self._user(owner_id)).with_for_update()
        return (await self._connection.execute(statement)).first() is not None

    async def delete_user(self, owner_id: UUID) -> None:
        await self._connection.execute(delete(_USER).where(self._user(owner_id)))

    async def platform(self) -> RowMapping:
        found = await self._connection.execute(
            select(_PLATFORM.__table__).where(_PLATFORM.name == self._platform)
        )
        return found.mappings().one()

    async def take(self, size: VMSize) -> int | None:
        """Take the VM's share of the platform; None where there is no room.

        Returns the number of its first address.
        """
        changes = {f"{name}_used": _used(name) + _share(size, name) for name in _TAKEN}
        changes["addresses_given"] = _PLATFORM.addresses_given + size.ipv4
        room = [_used(name) + _share(size, name) <= _total(name) for name in _TAKEN]
        taken = await self._connection.execute(
            update(_PLATFORM)
            .where(_PLATFORM.name == self._platform, *room)
            .values(**changes)
            .returning(_PLATFORM.addresses_given)
        )
        given = taken.scalar_one_or_none()
        return None if given is None else int(given) - size.ipv4

    async def give_back(self, size: VMSize) -> None:
        changes = {f"{name}_used": _used(name) - _share(size, name) for name in _TAKEN}
        await self._connection.execute(
            update(_PLATFORM).where(_PLATFORM.name == self._platform).values(**changes)
        )

    async def capacity(self) -> Capacity:
        row = await self.platform()
        totals = {name: row[name] for name in _TAKEN}
        return Capacity(**totals, **{f"{name}_used": row[f"{name}_used"] for name in _TAKEN})

    def _vm(self, vm_id: UUID) -> ColumnElement[bool]:
        return and_(VM.platform == self._platform, VM.vm_id == vm_id)

    def _user(self, owner_id: UUID) -> ColumnElement[bool]:
        return and_(_USER.platform == self._platform, _USER.owner_id == owner_id)

    async def _one(self, statement: Any) -> RowMapping | None:  # noqa: ANN401  # a select
        return (await self._connection.execute(statement)).mappings().one_or_none()


def size_of(row: RowMapping) -> VMSize:
    """Return the size that a VM's row holds."""
    return VMSize(
        vcpu=row["vcpu"], ram_mib=row["ram_mib"], disk_gib=row["disk_gib"], ipv4=row["ipv4"]
    )


def _share(size: VMSize, name: str) -> int:
    return 1 if name == "vms" else int(getattr(size, name))


def _used(name: str) -> ColumnElement[int]:
    used: ColumnElement[int] = _PLATFORM.__table__.c[f"{name}_used"]
    return used


def _total(name: str) -> ColumnElement[int]:
    total: ColumnElement[int] = _PLATFORM.__table__.c[name]
    return total
