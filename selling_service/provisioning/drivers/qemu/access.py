"""Who may touch which VM, and when: owners, fences and the locks that make them hold."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from uuid import UUID

from selling_service.provisioning.drivers.qemu.files import HeldLock, locked
from selling_service.provisioning.drivers.qemu.layout import Layout
from selling_service.provisioning.drivers.qemu.records import Records, VMRecord
from selling_service.provisioning.platform import NotFound, PlatformUnavailable, StaleFence


class Access:
    """The gate before every call. Locks are taken in the order VM, then node."""

    def __init__(self, layout: Layout, records: Records, *, lock_timeout: float) -> None:
        self._layout = layout
        self._records = records
        self._lock_timeout = lock_timeout

    @asynccontextmanager
    async def node(self) -> AsyncIterator[None]:
        """Hold what all VMs share: users, uids and the count of what is taken."""
        with machine_faults():
            async with locked(self._layout.node_lock, timeout=self._lock_timeout):
                yield

    @asynccontextmanager
    async def vm(self, vm_id: UUID) -> AsyncIterator[tuple[VMRecord | None, HeldLock]]:
        """Hold one VM, which may not exist; a lock of none leaves no file behind."""
        with machine_faults():
            async with locked(self._layout.vm_lock(vm_id), timeout=self._lock_timeout) as lock:
                try:
                    yield await self.kept(vm_id), lock
                finally:
                    if await self.kept(vm_id) is None:
                        lock.discard()

    @asynccontextmanager
    async def changing(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> AsyncIterator[VMRecord]:
        """Hold an existing VM of this owner for a call that is not overtaken."""
        async with self.vm(vm_id) as (kept, _):
            yield await self.keep(allowed(kept, owner_id=owner_id, fence=fence))

    async def kept(self, vm_id: UUID) -> VMRecord | None:
        return await asyncio.to_thread(self._records.read, vm_id)

    async def keep(self, record: VMRecord) -> VMRecord:
        """Write the record; also where the call is cancelled, it is done when this returns.

        The lock is let go then, and a thread that still wrote would put an old record over a newer
        one of whoever holds it next.
        """
        writing = asyncio.create_task(asyncio.to_thread(self._records.write, record))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            await asyncio.wait([writing])
            raise
        return record


def allowed(record: VMRecord | None, *, owner_id: UUID, fence: int) -> VMRecord:
    """Return the record with this fence. Raises `NotFound` and `StaleFence`."""
    record = owned(record, owner_id=owner_id)
    check_fence(fence, seen=record.fence)
    return record.with_(fence=fence)


def owned(record: VMRecord | None, *, owner_id: UUID) -> VMRecord:
    """Return the record if it is this owner's. Raises `NotFound`."""
    if record is None or record.owner_id != owner_id:
        raise NotFound("no such VM")
    return record


def check_fence(fence: int, *, seen: int) -> None:
    """Raise `StaleFence` for a fence below the highest one seen."""
    if fence < seen:
        raise StaleFence(f"a call with fence {seen} came before this one with {fence}")


@contextmanager
def machine_faults() -> Iterator[None]:
    """Say what the machine refuses (no room on the disk, no such folder) as the platform's fault.

    Only the system's own words are passed on: a path may hold what is nobody's business.
    """
    try:
        yield
    except OSError as error:
        raise PlatformUnavailable(f"the machine says: {error.strerror}") from error
