"""Makes the place for a VM: what it takes of the machine, its disk and its seed."""

import asyncio
from dataclasses import replace
from uuid import UUID

from selling_service.provisioning.drivers.qemu.access import Access, check_fence
from selling_service.provisioning.drivers.qemu.disk import check_fits, make_disk
from selling_service.provisioning.drivers.qemu.layout import Layout, remove_tree
from selling_service.provisioning.drivers.qemu.records import Records, VMRecord
from selling_service.provisioning.drivers.qemu.seed import write_seed
from selling_service.provisioning.drivers.qemu.settings import QemuSettings
from selling_service.provisioning.drivers.qemu.users import Users
from selling_service.provisioning.platform import (
    Capacity,
    GuestContent,
    PlatformFull,
    UnknownImage,
    VMSize,
)


class Builder:
    """Builds and removes; the caller holds the VM's lock."""

    def __init__(
        self,
        settings: QemuSettings,
        layout: Layout,
        *,
        records: Records,
        users: Users,
        access: Access,
    ) -> None:
        self._settings = settings
        self._layout = layout
        self._records = records
        self._users = users
        self._access = access

    async def reserve(self, wish: VMRecord) -> VMRecord:
        """Keep a new VM's record, which takes its share of the machine.

        Raises `NotFound` (no such user), `UnknownImage`, `PlatformFull`, `PlatformRefused` (disk
        smaller than the image) and `StaleFence` (deleted meanwhile).
        """
        image = self._settings.images.get(wish.image)
        if image is None:
            raise UnknownImage(f"this platform has no OS template {wish.image!r}")
        await check_fits(image, disk_gib=wish.size.disk_gib)
        async with self._access.node():
            await asyncio.to_thread(self._check_reserve, wish)
            return await self._access.keep(wish)

    async def build(self, record: VMRecord, *, content: GuestContent) -> None:
        """Make disk and seed, over whatever is there already."""
        uid = await asyncio.to_thread(self._users.uid, record.owner_id)
        await make_disk(self._layout, record, uid=uid)
        content = replace(content, hostname=record.hostname)
        await write_seed(self._layout.seed(record.vm_id), vm_id=record.vm_id, content=content)

    async def remove(self, record: VMRecord) -> None:
        """Remove all that `build` made."""
        await asyncio.to_thread(remove_tree, self._layout.vm(record.owner_id, record.vm_id))
        await asyncio.to_thread(remove_tree, self._layout.seed(record.vm_id))

    async def uid(self, owner_id: UUID) -> int | None:
        return await asyncio.to_thread(self._users.uid, owner_id)

    def capacity(self) -> Capacity:
        """Count what all records take. Reads files: call it from a thread."""
        sizes = [record.size for record in self._records.all()]
        return Capacity(
            vms=self._settings.vms,
            vms_used=len(sizes),
            vcpu=self._settings.vcpu,
            vcpu_used=sum(size.vcpu for size in sizes),
            ram_mib=self._settings.ram_mib,
            ram_mib_used=sum(size.ram_mib for size in sizes),
            disk_gib=self._settings.disk_gib,
            disk_gib_used=sum(size.disk_gib for size in sizes),
        )

    def _check_reserve(self, wish: VMRecord) -> None:
        self._users.uid(wish.owner_id)
        check_fence(wish.fence, seen=self._records.deleted_fence(wish.vm_id))
        if not _fits(self.capacity(), wish.size):
            raise PlatformFull("no room for this VM")


def _fits(capacity: Capacity, size: VMSize) -> bool:
    return (
        capacity.vms_used < capacity.vms
        and capacity.vcpu_used + size.vcpu <= capacity.vcpu
        and capacity.ram_mib_used + size.ram_mib <= capacity.ram_mib
        and capacity.disk_gib_used + size.disk_gib <= capacity.disk_gib
    )
