"""The QEMU platform: the order of the steps of each call."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from selling_service.provisioning.drivers.qemu.access import (
    Access,
    allowed,
    machine_faults,
    owned,
)
from selling_service.provisioning.drivers.qemu.builder import Builder
from selling_service.provisioning.drivers.qemu.layout import Layout
from selling_service.provisioning.drivers.qemu.machine import Machine
from selling_service.provisioning.drivers.qemu.records import Records, VMRecord
from selling_service.provisioning.drivers.qemu.seed import rename_seed
from selling_service.provisioning.drivers.qemu.settings import QemuSettings
from selling_service.provisioning.drivers.qemu.users import Users
from selling_service.provisioning.platform import (
    Capacity,
    GuestContent,
    PlatformError,
    PlatformRefused,
    PlatformUnavailable,
    Power,
    VMSize,
    VMState,
)
from shared.contract.basics import Capability


@dataclass(frozen=True, slots=True)
class BootReport:
    """What `boot_node` did: the VMs it started, and those it could not, with the reason."""

    started: list[UUID]
    failed: dict[UUID, str]


class QemuPlatform:
    """Virtual machines of this machine; see `Platform` for what each call promises.

    Any number of these objects, in any number of processes, may work on one root.
    """

    capabilities = frozenset(Capability)

    def __init__(self, settings: QemuSettings, *, name: str) -> None:
        self.name = name
        self._settings = settings
        self._layout = Layout(settings.root)
        self._layout.prepare(passable=settings.own_uids)
        self._records = Records(self._layout)
        self._users = Users(settings, self._layout)
        self._machine = Machine(settings, self._layout)
        self._access = Access(self._layout, self._records, lock_timeout=settings.lock_timeout)
        self._builder = Builder(
            settings, self._layout, records=self._records, users=self._users, access=self._access
        )

    async def ensure_user(self, *, owner_id: UUID) -> None:
        async with self._access.node():
            await asyncio.to_thread(self._users.ensure, owner_id)

    async def delete_user(self, *, owner_id: UUID) -> None:
        async with self._access.node():
            if await asyncio.to_thread(self._records.of, owner_id):
                raise PlatformRefused("the platform user still has VMs")
            await asyncio.to_thread(self._users.delete, owner_id)

    async def create_vm(
        self,
        *,
        owner_id: UUID,
        vm_id: UUID,
        size: VMSize,
        image: str,
        content: GuestContent,
        fence: int,
        started: bool = True,
        mark: str | None = None,
    ) -> VMState:
        wish = VMRecord(
            vm_id=vm_id,
            owner_id=owner_id,
            size=size,
            image=image,
            hostname=content.hostname,
            fence=fence,
            locked=not started,
            wanted=Power.RUNNING if started else Power.STOPPED,
            mark=mark,
        )
        async with self._access.vm(vm_id) as (kept, _):
            if kept is None:
                record = await self._builder.reserve(wish)
            else:
                record = await self._access.keep(_repeated(kept, wish))
            if record.locked:
                await self._halt(record)
            if not record.built:
                record = await self._finish(record, content)
            return await self._told(record)

    async def start_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        async with self._access.changing(owner_id=owner_id, vm_id=vm_id, fence=fence) as record:
            return await self._start(record)

    async def stop_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        async with self._access.changing(owner_id=owner_id, vm_id=vm_id, fence=fence) as record:
            return await self._stop(record.with_(wanted=Power.STOPPED))

    async def restart_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        async with self._access.changing(owner_id=owner_id, vm_id=vm_id, fence=fence) as record:
            if not record.locked:
                await self._halt(record)
            return await self._start(record)

    async def lock_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        async with self._access.changing(owner_id=owner_id, vm_id=vm_id, fence=fence) as record:
            return await self._stop(record.with_(locked=True, wanted=Power.STOPPED))

    async def unlock_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        async with self._access.changing(owner_id=owner_id, vm_id=vm_id, fence=fence) as record:
            return await self._told(await self._access.keep(record.with_(locked=False)))

    async def rename_vm(self, *, owner_id: UUID, vm_id: UUID, hostname: str, fence: int) -> VMState:
        async with self._access.changing(owner_id=owner_id, vm_id=vm_id, fence=fence) as record:
            if record.built:
                await rename_seed(self._layout.seed(vm_id), hostname=hostname)
            return await self._told(await self._access.keep(record.with_(hostname=hostname)))

    async def delete_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        async with self._access.vm(vm_id) as (kept, _):
            if kept is not None:
                record = allowed(kept, owner_id=owner_id, fence=fence)
                # Locked first: a removal that is cut short leaves nothing that could start.
                record = record.with_(locked=True, wanted=Power.STOPPED)
                await self._access.keep(record)
                await self._machine.halt(vm_id, grace=0)
                await self._builder.remove(record)
            await asyncio.to_thread(self._records.note_deleted, vm_id, fence=fence)
            await asyncio.to_thread(self._records.forget, vm_id)

    async def get_vm(self, *, owner_id: UUID, vm_id: UUID) -> VMState:
        with machine_faults():
            record = await asyncio.to_thread(self._records.read, vm_id)
            return await self._told(owned(record, owner_id=owner_id))

    async def list_vms(self, *, owner_id: UUID) -> list[VMState]:
        with machine_faults():
            records = await asyncio.to_thread(self._records.of, owner_id)
            return [await self._told(record) for record in records]

    async def scan_vms(self, *, after: UUID | None, limit: int) -> list[VMState]:
        with machine_faults():
            records = await asyncio.to_thread(self._records.some, after, limit)
            return [await self._told(record) for record in records]

    async def capacity(self) -> Capacity:
        with machine_faults():
            return await asyncio.to_thread(self._builder.capacity)

    async def boot_node(self) -> BootReport:
        """Start the VMs that ran when the machine went down; a locked one stays as it is.

        To be called by every worker as it starts: a VM that ended by itself since the machine came
        up is left as it is.
        """
        report = BootReport(started=[], failed={})
        with machine_faults():
            records = await asyncio.to_thread(lambda: list(self._records.all()))
        for vm_id in [record.vm_id for record in records if _should_run(record)]:
            try:
                async with self._access.vm(vm_id) as (kept, _):
                    if kept is not None and await self._resume(kept):
                        report.started.append(vm_id)
            except PlatformError as error:
                report.failed[vm_id] = error.detail
        return report

    async def _resume(self, record: VMRecord) -> bool:
        cut_off = _should_run(record) and await self._machine.was_cut_off(record.vm_id)
        if cut_off:
            await self._launch(record)
        return cut_off

    async def _finish(self, record: VMRecord, content: GuestContent) -> VMRecord:
        """Build what is missing, make the first start unless locked, and say that it is built."""
        await self._builder.build(record, content=content)
        if not record.locked:
            await self._launch(record)
        return await self._access.keep(record.with_(built=True))

    async def _start(self, record: VMRecord) -> VMState:
        if not record.built:
            raise PlatformUnavailable("the VM is not built yet: its creation must be repeated")
        if not record.locked:
            record = await self._access.keep(record.with_(wanted=Power.RUNNING))
        await self._launch(record)
        return await self._told(record)

    async def _stop(self, record: VMRecord) -> VMState:
        """Write down first, then stop: whatever happens in between, it is not started again."""
        await self._access.keep(record)
        await self._halt(record)
        return await self._told(record)

    async def _launch(self, record: VMRecord) -> None:
        await self._machine.launch(record, uid=await self._builder.uid(record.owner_id))

    async def _halt(self, record: VMRecord) -> None:
        await self._machine.halt(record.vm_id, grace=self._settings.stop_grace)

    async def _told(self, record: VMRecord) -> VMState:
        return record.state(await self._machine.power(record.vm_id))


def _repeated(kept: VMRecord, wish: VMRecord) -> VMRecord:
    """Return the record of a VM whose creation is asked for again.

    What is built stays as it is, but one that is not wanted started is locked in any case: a
    suspension came between the two attempts.
    """
    record = allowed(kept, owner_id=wish.owner_id, fence=wish.fence)
    if wish.locked:
        record = record.with_(locked=True, wanted=Power.STOPPED)
    return record if record.built else record.with_(hostname=wish.hostname)


def _should_run(record: VMRecord) -> bool:
    return record.built and record.wanted is Power.RUNNING and not record.locked
