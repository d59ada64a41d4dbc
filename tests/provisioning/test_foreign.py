"""What holds for every platform on another machine: who was frozen in the midst of a call on it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest

from selling_service.provisioning.drivers.foreign import ForeignPlatform, Limits, Seen
from selling_service.provisioning.drivers.proxmox import ProxmoxHands
from selling_service.provisioning.platform import (
    NotFound,
    PlatformError,
    PlatformUnavailable,
    Power,
    StaleFence,
)
from tests.provisioning.proxmox_rig import ProxmoxRig
from tests.provisioning.rigs import create, new_user

SHORT = 0.3


class Halting(ProxmoxHands):
    """Stands still before an act on the platform, and renews no hold meanwhile."""

    def __init__(self, rig: ProxmoxRig, act: str) -> None:
        super().__init__(rig.settings, rig.api)
        self.act, self.arrived, self.go_on = act, asyncio.Event(), asyncio.Event()

    async def _halt(self, act: str) -> None:
        if act == self.act:
            self.arrived.set()
            await self.go_on.wait()

    async def start(self, seen: Seen) -> None:
        await self._halt("start")
        await super().start(seen)

    async def guard(self, seen: Seen, *, locked: bool) -> None:
        await self._halt("guard")
        await super().guard(seen, locked=locked)


@pytest.fixture
def rig(proxmox: ProxmoxRig) -> ProxmoxRig:
    return proxmox


@pytest.fixture
async def owner_id(rig: ProxmoxRig) -> UUID:
    return await new_user(rig.platform)


@pytest.fixture
def vm_id() -> UUID:
    return uuid4()


@pytest.fixture
async def vm(rig: ProxmoxRig, owner_id: UUID, vm_id: UUID) -> UUID:
    await create(rig, owner_id=owner_id, vm_id=vm_id)
    return vm_id


def platform_of(rig: ProxmoxRig, hands: ProxmoxHands, *, patience: float = 20.0) -> ForeignPlatform:
    return ForeignPlatform(
        hands, rig.engine, name="proxmox", limits=Limits(), lease=SHORT, patience=patience
    )


def without_renewals(platform: ForeignPlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    """A frozen process renews nothing."""

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(platform._holding, "_renew", never)


Call = Callable[[], Coroutine[Any, Any, object]]


async def halted(hands: Halting, call: Call) -> asyncio.Task[object]:
    """The call, once it stands still before its act."""
    task = asyncio.create_task(call())
    async with asyncio.timeout(10):
        await hands.arrived.wait()
    return task


async def test_a_start_that_wakes_after_a_suspension_is_undone_by_itself(
    rig: ProxmoxRig, owner_id: UUID, vm: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    hands = Halting(rig, "start")
    frozen = platform_of(rig, hands)
    without_renewals(frozen, monkeypatch)
    task = await halted(hands, lambda: frozen.start_vm(owner_id=owner_id, vm_id=vm, fence=3))
    other = platform_of(rig, ProxmoxHands(rig.settings, rig.api))
    await other.lock_vm(owner_id=owner_id, vm_id=vm, fence=4)

    hands.go_on.set()
    with pytest.raises(StaleFence):
        await task

    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert (state.power, state.locked, state.fence) == (Power.STOPPED, True, 4)


async def test_a_creation_that_wakes_after_the_deletion_leaves_nothing(
    rig: ProxmoxRig, owner_id: UUID, vm_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    hands = Halting(rig, "guard")
    frozen = platform_of(rig, hands)
    without_renewals(frozen, monkeypatch)
    task = await halted(hands, lambda: create(rig, frozen, owner_id=owner_id, vm_id=vm_id, fence=1))
    other = platform_of(rig, ProxmoxHands(rig.settings, rig.api))
    await other.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=2)

    hands.go_on.set()
    with pytest.raises(PlatformError):
        await task

    assert await rig.traces(vm_id) == []
    assert await rig.platform.list_vms(owner_id=owner_id) == []


async def test_a_slow_call_keeps_its_hold_and_others_wait_or_give_up(
    rig: ProxmoxRig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    hands = Halting(rig, "start")
    slow = platform_of(rig, hands)
    task = await halted(hands, lambda: slow.start_vm(owner_id=owner_id, vm_id=vm, fence=3))
    hasty = platform_of(rig, ProxmoxHands(rig.settings, rig.api), patience=4 * SHORT)

    with pytest.raises(PlatformUnavailable):
        await hasty.lock_vm(owner_id=owner_id, vm_id=vm, fence=4)

    hands.go_on.set()
    await task
    state = await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=4)
    assert (state.power, state.locked) == (Power.STOPPED, True)


async def test_what_our_database_has_forgotten_is_seen_and_can_be_deleted(
    rig: ProxmoxRig, owner_id: UUID, vm: UUID
) -> None:
    """As after its restore from a backup that is older than the VM."""
    async with rig.engine.begin() as connection:
        await connection.exec_driver_sql("DELETE FROM foreign_vms")

    (stranger,) = await rig.platform.scan_vms(after=None, limit=5)
    assert (stranger.vm_id, stranger.owner_id, stranger.power) == (vm, owner_id, Power.RUNNING)
    assert await rig.platform.get_vm(owner_id=owner_id, vm_id=vm) == stranger
    with pytest.raises(NotFound):
        await rig.platform.get_vm(owner_id=uuid4(), vm_id=vm)

    await rig.platform.delete_vm(owner_id=uuid4(), vm_id=vm, fence=1)
    assert await rig.traces(vm) != []
