"""A platform on another machine: whose a VM is, what was decided, and who was overtaken.

What is decided is written in our database first, then done there by the platform's `Hands`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from selling_service.provisioning.drivers.foreign.hands import Hands, Plan, Seen
from selling_service.provisioning.drivers.foreign.holding import Decide, Holding
from selling_service.provisioning.drivers.foreign.limits import Limits
from selling_service.provisioning.drivers.foreign.rights import (
    allowed,
    check_fence,
    merged,
    nothing,
    owned,
    stranger,
    told,
)
from selling_service.provisioning.drivers.foreign.store import Store, has_room, size_of
from selling_service.provisioning.platform import (
    Capacity,
    GuestContent,
    NotFound,
    PlatformFull,
    PlatformRefused,
    PlatformUnavailable,
    Power,
    StaleFence,
    UnknownImage,
    VMLocked,
    VMSize,
    VMState,
)

# Acts on the platform, and what is to be written about the VM afterwards.
Work = Callable[[RowMapping], Awaitable[dict[str, Any]]]
_STOPPED = {"wanted": Power.STOPPED.value}
_LOCKED = {**_STOPPED, "locked": True}
LEASE_SECONDS = 30.0
PATIENCE_SECONDS = 60.0


class ForeignPlatform:
    """Virtual machines behind somebody else's API; see `Platform` for what each call promises.

    A worker that was frozen in the midst of a call on the platform, for longer than its hold,
    brings the VM back to what was decided since: until then what it did may be seen there.
    """

    def __init__(
        self,
        hands: Hands,
        engine: AsyncEngine,
        *,
        name: str,
        limits: Limits,
        lease: float = LEASE_SECONDS,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        self.name = name
        self.capabilities = hands.capabilities
        self._hands = hands
        self._limits = limits
        self._holding = Holding(engine, platform=name, lease=lease, patience=patience)

    # ------------------------------------------------------------------------------------- users

    async def ensure_user(self, *, owner_id: UUID) -> None:
        await self._hands.put_user(owner_id)
        await self._holding.transact(lambda store: store.put_user(owner_id))

    async def delete_user(self, *, owner_id: UUID) -> None:
        async def forget(store: Store) -> None:
            if await store.hold_user(owner_id):
                if await store.vms(owner_id):
                    raise PlatformRefused("the platform user still has VMs")
                await store.delete_user(owner_id)

        await self._holding.transact(forget)
        await self._hands.drop_user(owner_id)

    # ------------------------------------------------------------------------------ creation, end

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
        known = await self._holding.transact(lambda store: store.find_vm(vm_id))
        if known is None and not await self._hands.has_image(image):
            raise UnknownImage(f"this platform has no OS template {image!r}")
        fresh = {
            **asdict(size),
            "owner_id": owner_id,
            "fence": fence,
            "deleted": False,
            "built": False,
            "wanted": (Power.RUNNING if started else Power.STOPPED).value,
            "locked": not started,
            "image": image,
            "hostname": content.hostname,
            "mark": mark,
        }

        async def decide(store: Store, kept: RowMapping | None) -> dict[str, Any]:
            if kept is None or kept["deleted"]:
                check_fence(kept, fence)
                await self._reserve(store, owner_id, size)
                return fresh
            allowed(kept, owner_id=owner_id, fence=fence)
            named = {} if kept["built"] else {"hostname": content.hostname}
            return {"fence": fence, **named, **({} if started else _LOCKED)}

        async def work(row: RowMapping) -> dict[str, Any]:
            return await self._finish(row, content)

        return await self._perform(vm_id, decide, work)

    async def _reserve(self, store: Store, owner_id: UUID, size: VMSize) -> None:
        if not await store.hold_user(owner_id):
            raise NotFound("no such platform user")
        await store.hold_room()
        if not has_room(await store.capacity(self._limits), size):
            raise PlatformFull("no room for this VM")

    async def _finish(self, row: RowMapping, content: GuestContent) -> dict[str, Any]:
        """Build what is missing, and start it unless locked; what is built stays as it is."""
        if row["built"]:
            if row["locked"]:
                await self._lock(await self._there(row))
            return {}
        plan = Plan(
            vm_id=row["vm_id"],
            owner_id=row["owner_id"],
            size=size_of(row),
            image=row["image"],
            mark=row["mark"],
        )
        seen = await self._hands.build(plan, content)
        if row["locked"]:
            await self._lock(seen)
        else:
            await self._hands.guard(seen, locked=False)
            await self._hands.start(seen)
        return {"built": True}

    async def delete_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        async def decide(_store: Store, kept: RowMapping | None) -> dict[str, Any]:
            if kept is None:
                return nothing(owner_id, fence)
            if kept["deleted"]:
                return {"fence": max(fence, kept["fence"])}
            allowed(kept, owner_id=owner_id, fence=fence)
            return {"fence": fence, **_LOCKED}

        async def work(row: RowMapping) -> dict[str, Any]:
            await self._drop(row)
            return nothing(row["owner_id"], row["fence"])

        await self._carry_out(vm_id, decide, work)

    async def _drop(self, row: RowMapping) -> None:
        seen = await self._hands.find(row["vm_id"])
        if seen is not None and seen.owner_id == row["owner_id"]:
            await self._lock(seen)
            await self._hands.drop(seen)

    # ----------------------------------------------------------------------------------- changes

    async def start_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        return await self._power_up(owner_id, vm_id, fence, stop_first=False)

    async def restart_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        return await self._power_up(owner_id, vm_id, fence, stop_first=True)

    async def stop_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        async def work(row: RowMapping) -> dict[str, Any]:
            await self._hands.stop(await self._there(row))
            return {}

        return await self._perform(vm_id, _change(owner_id, fence, lambda _: _STOPPED), work)

    async def lock_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        async def work(row: RowMapping) -> dict[str, Any]:
            seen = await self._hands.find(vm_id)
            if seen is not None or row["built"]:
                await self._lock(self._same(row, seen))
            return {}

        return await self._perform(vm_id, _change(owner_id, fence, lambda _: _LOCKED), work)

    async def unlock_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        async def work(row: RowMapping) -> dict[str, Any]:
            if row["built"]:
                await self._hands.guard(await self._there(row), locked=False)
            return {}

        free = {"locked": False}
        return await self._perform(vm_id, _change(owner_id, fence, lambda _: free), work)

    async def rename_vm(self, *, owner_id: UUID, vm_id: UUID, hostname: str, fence: int) -> VMState:
        async def work(row: RowMapping) -> dict[str, Any]:
            if row["built"]:
                await self._hands.rename(await self._there(row), hostname)
            return {}

        named = {"hostname": hostname}
        return await self._perform(vm_id, _change(owner_id, fence, lambda _: named), work)

    async def _power_up(
        self, owner_id: UUID, vm_id: UUID, fence: int, *, stop_first: bool
    ) -> VMState:
        def wanted(row: RowMapping) -> dict[str, Any]:
            may = row["built"] and not row["locked"]
            return {"wanted": Power.RUNNING.value} if may else {}

        async def work(row: RowMapping) -> dict[str, Any]:
            if row["locked"]:
                raise VMLocked("the VM is suspended")
            if not row["built"]:
                raise PlatformUnavailable("the VM is not built yet: its creation must be repeated")
            seen = await self._there(row)
            if stop_first:
                await self._hands.stop(seen)
            await self._hands.start(seen)
            return {}

        return await self._perform(vm_id, _change(owner_id, fence, wanted), work)

    async def _lock(self, seen: Seen) -> None:
        """First nobody else may start it, then it is stopped."""
        await self._hands.guard(seen, locked=True)
        await self._hands.stop(seen)

    # ------------------------------------------------------------------------------------ reading

    async def get_vm(self, *, owner_id: UUID, vm_id: UUID) -> VMState:
        row = await self._holding.transact(lambda store: store.find_vm(vm_id))
        if row is not None:
            return await self._told(owned(row, owner_id=owner_id))
        seen = await self._hands.find(vm_id)
        if seen is None or seen.owner_id != owner_id:
            raise NotFound("no such VM")
        return stranger(seen)

    async def list_vms(self, *, owner_id: UUID) -> list[VMState]:
        rows = await self._holding.transact(lambda store: store.vms(owner_id))
        return merged(rows, await self._hands.find_all(owner_id))

    async def scan_vms(self, *, after: UUID | None, limit: int) -> list[VMState]:
        rows = await self._holding.transact(lambda store: store.vms())
        found = merged(rows, await self._hands.find_all())
        return [state for state in found if after is None or state.vm_id > after][:limit]

    async def capacity(self) -> Capacity:
        return await self._holding.transact(lambda store: store.capacity(self._limits))

    # ------------------------------------------------------------------------------------- acting

    async def _perform(self, vm_id: UUID, decide: Decide, work: Work) -> VMState:
        return await self._told(await self._carry_out(vm_id, decide, work))

    async def _carry_out(self, vm_id: UUID, decide: Decide, work: Work) -> RowMapping:
        """Decide, act, and write how it ended. Raises `StaleFence` for who was passed by."""
        token, row = await self._holding.take(vm_id, decide)
        try:
            async with self._holding.kept(vm_id, token):
                changes = await work(row)
        except BaseException:
            await asyncio.shield(self._end(vm_id, token, {}))
            raise
        return await self._end(vm_id, token, changes)

    async def _end(self, vm_id: UUID, token: UUID, changes: dict[str, Any]) -> RowMapping:
        row = await self._holding.let_go(vm_id, token, changes)
        if row is None:
            await self._put_right(vm_id)
            raise StaleFence("another call took the VM over while this one stood still")
        return row

    async def _put_right(self, vm_id: UUID) -> None:
        """Undo what came too late: bring the VM to what was decided since."""

        async def decide(_store: Store, kept: RowMapping | None) -> dict[str, Any]:
            return {} if kept is not None else nothing(vm_id, 0)

        token, row = await self._holding.take(vm_id, decide)
        try:
            async with self._holding.kept(vm_id, token):
                await self._obey(row)
        finally:
            await self._holding.let_go(vm_id, token)

    async def _obey(self, row: RowMapping) -> None:
        if row["deleted"]:
            await self._drop(row)
            return
        seen = await self._hands.find(row["vm_id"])
        if seen is None or seen.owner_id != row["owner_id"]:
            return
        if row["locked"]:
            await self._lock(seen)
        elif row["wanted"] == Power.STOPPED:
            await self._hands.stop(seen)
        elif row["built"]:
            await self._hands.start(seen)
        await self._hands.rename(seen, row["hostname"])

    async def _there(self, row: RowMapping) -> Seen:
        """The VM on the platform. Raises `NotFound` where it vanished, or isn't this owner's."""
        return self._same(row, await self._hands.find(row["vm_id"]))

    def _same(self, row: RowMapping, seen: Seen | None) -> Seen:
        if seen is None or seen.owner_id != row["owner_id"]:
            raise NotFound("no such VM")
        return seen

    async def _told(self, row: RowMapping) -> VMState:
        seen = await self._hands.find(row["vm_id"])
        return told(row, self._same(row, seen) if row["built"] else seen)


def _change(owner_id: UUID, fence: int, values: Callable[[RowMapping], dict[str, Any]]) -> Decide:
    """Change an existing VM of this owner; the fence is kept even where nothing else is."""

    async def decide(_store: Store, kept: RowMapping | None) -> dict[str, Any]:
        row = None if kept is None or kept["deleted"] else kept
        found = allowed(row, owner_id=owner_id, fence=fence)
        return {"fence": fence, **values(found)}

    return decide
