"""The simulated platform: the same promises as a real one, kept by rows and their locks."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from selling_service.provisioning.drivers.simulated import behaviour
from selling_service.provisioning.drivers.simulated.behaviour import Behaviour, FaultKind
from selling_service.provisioning.drivers.simulated.creation import Wish, create, running
from selling_service.provisioning.drivers.simulated.rights import check_fence, owned, told
from selling_service.provisioning.drivers.simulated.store import Store, size_of
from selling_service.provisioning.platform import (
    Capacity,
    GuestContent,
    PlatformFull,
    PlatformRefused,
    PlatformUnavailable,
    Power,
    VMLocked,
    VMSize,
    VMState,
)
from shared.contract.basics import Capability

_T = TypeVar("_T")
_STOPPED = {"power": Power.STOPPED, "wanted": Power.STOPPED}
_NO_SIZE = VMSize(vcpu=0, ram_mib=0, disk_gib=0, ipv4=0)


class SimulatedPlatform:
    """Virtual machines that are rows; see `Platform` for what each call promises.

    It works in short transactions on connections of its own, as a foreign system would, never in
    the caller's.
    """

    capabilities = frozenset(Capability)

    def __init__(self, engine: AsyncEngine, *, name: str) -> None:
        self.name = name
        self._engine = engine

    async def set_behaviour(self, wanted: Behaviour) -> None:
        """Set totals, quota, delay and faults, all at once."""
        await behaviour.set_behaviour(self._engine, name=self.name, behaviour=wanted)

    async def ensure_user(self, *, owner_id: UUID) -> None:
        await self._perform("ensure_user", lambda store: store.put_user(owner_id))

    async def delete_user(self, *, owner_id: UUID) -> None:
        async def work(store: Store) -> None:
            if await store.hold_user(owner_id):
                if await store.vms_of(owner_id):
                    raise PlatformRefused("the platform user still has VMs")
                await store.delete_user(owner_id)

        await self._perform("delete_user", work)

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
        wish = Wish(
            owner_id=owner_id,
            vm_id=vm_id,
            size=size,
            image=image,
            hostname=content.hostname,
            fence=fence,
            locked=not started,
            mark=mark,
        )
        fault = await self._begin("create_vm")
        # What is half done is kept: the next attempt finds it.
        half = fault is FaultKind.HALF_DONE
        row = await self._commit(lambda store: create(store, wish, half_done=half))
        _answer(fault)
        return told(row)

    async def start_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        def start(row: RowMapping) -> dict[str, Any]:
            if row["power"] == Power.RUNNING or row["locked"] or not row["built"]:
                return {}
            return running(row)

        row = await self._change("start_vm", owner_id, vm_id, fence, start)
        return told(_startable(row))

    async def stop_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        return told(await self._change("stop_vm", owner_id, vm_id, fence, lambda _: _STOPPED))

    async def restart_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        def restart(row: RowMapping) -> dict[str, Any]:
            return {} if row["locked"] or not row["built"] else running(row)

        row = await self._change("restart_vm", owner_id, vm_id, fence, restart)
        return told(_startable(row))

    async def lock_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        locked = {**_STOPPED, "locked": True}
        return told(await self._change("lock_vm", owner_id, vm_id, fence, lambda _: locked))

    async def unlock_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        free = {"locked": False}
        return told(await self._change("unlock_vm", owner_id, vm_id, fence, lambda _: free))

    async def rename_vm(self, *, owner_id: UUID, vm_id: UUID, hostname: str, fence: int) -> VMState:
        named = {"hostname": hostname}
        return told(await self._change("rename_vm", owner_id, vm_id, fence, lambda _: named))

    async def delete_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        async def work(store: Store) -> None:
            kept = await store.hold_vm(vm_id)
            seen = -1 if kept is None else kept["fence"]
            if kept is not None and not kept["deleted"]:
                check_fence(fence, seen=owned(kept, owner_id=owner_id)["fence"])
                await store.give_back(size_of(kept))
            await store.put_vm(vm_id, **_nothing(owner_id, fence=max(fence, seen)))

        await self._perform("delete_vm", work)

    async def get_vm(self, *, owner_id: UUID, vm_id: UUID) -> VMState:
        async def work(store: Store) -> VMState:
            return told(owned(await store.find_vm(vm_id), owner_id=owner_id))

        return await self._perform("get_vm", work)

    async def list_vms(self, *, owner_id: UUID) -> list[VMState]:
        async def work(store: Store) -> list[VMState]:
            return [told(row) for row in await store.vms_of(owner_id)]

        return await self._perform("list_vms", work)

    async def scan_vms(self, *, after: UUID | None, limit: int) -> list[VMState]:
        async def work(store: Store) -> list[VMState]:
            return [told(row) for row in await store.scan(after=after, limit=limit)]

        return await self._perform("scan_vms", work)

    async def capacity(self) -> Capacity:
        return await self._perform("capacity", lambda store: store.capacity())

    async def restart_node(self) -> None:
        """Restart the machine: what should run runs again, a locked VM does not."""
        await self._commit(lambda store: store.restart_all())

    async def power_off_inside(self, *, vm_id: UUID) -> None:
        """Power the VM off from inside, as its client may."""
        await self._commit(lambda store: store.change_vm(vm_id, power=Power.STOPPED))

    async def console(self, *, vm_id: UUID) -> str:
        """Return what the guest last said of itself on its console."""
        row = await self._commit(lambda store: store.find_vm(vm_id))
        if row is None or row["seen_hostname"] is None:
            return ""
        return f"tandem-guest ready hostname={row['seen_hostname']} boots={row['boots']}"

    async def _change(
        self,
        call: str,
        owner_id: UUID,
        vm_id: UUID,
        fence: int,
        values: Callable[[RowMapping], dict[str, Any]],
    ) -> RowMapping:
        """Change an existing VM of this owner; the fence is kept even where nothing else is."""

        async def work(store: Store) -> RowMapping:
            kept = await store.hold_vm(vm_id)
            row = owned(None if kept is None or kept["deleted"] else kept, owner_id=owner_id)
            check_fence(fence, seen=row["fence"])
            return await store.change_vm(vm_id, fence=fence, **values(row))

        return await self._perform(call, work)

    async def _perform(self, call: str, work: Callable[[Store], Awaitable[_T]]) -> _T:
        fault = await self._begin(call)
        if fault is FaultKind.HALF_DONE:
            _answer(fault)
        result = await self._commit(work)
        _answer(fault)
        return result

    async def _begin(self, call: str) -> FaultKind | None:
        """Meet the delay and the fault that are set; return a fault that comes later."""
        try:
            fault = await behaviour.meet_fault(self._engine, name=self.name, call=call)
        except (DBAPIError, OSError) as error:
            raise PlatformUnavailable("the platform's state can't be reached") from error
        if fault is FaultKind.UNAVAILABLE:
            raise PlatformUnavailable("set to be away")
        if fault is FaultKind.REFUSED:
            raise PlatformRefused("set to refuse")
        if fault is FaultKind.FULL:
            raise PlatformFull("set to be full")
        return fault

    async def _commit(self, work: Callable[[Store], Awaitable[_T]]) -> _T:
        try:
            async with self._engine.begin() as connection:
                return await work(Store(connection, platform=self.name))
        except (DBAPIError, OSError) as error:
            raise PlatformUnavailable("the platform's state can't be reached") from error


def _answer(fault: FaultKind | None) -> None:
    if fault is not None:
        raise PlatformUnavailable("set to lose the answer")


def _startable(row: RowMapping) -> RowMapping:
    if row["locked"]:
        raise VMLocked("the VM is suspended")
    if not row["built"]:
        raise PlatformUnavailable("the VM is not built yet: its creation must be repeated")
    return row


def _nothing(owner_id: UUID, *, fence: int) -> dict[str, Any]:
    """Return what is left of a deleted VM: its fence, so that no overtaken call brings it back."""
    return {
        **asdict(_NO_SIZE),
        **_STOPPED,
        "owner_id": owner_id,
        "fence": fence,
        "deleted": True,
        "built": False,
        "locked": False,
        "image": "",
        "hostname": "",
        "seen_hostname": None,
        "boots": 0,
        "addresses": [],
        "mark": None,
    }
