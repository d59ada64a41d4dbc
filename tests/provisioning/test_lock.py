from uuid import UUID

import pytest

from selling_service.provisioning.platform import Platform, Power, VMLocked
from tests.provisioning.rigs import Rig, create


async def _stays_stopped(platform: Platform, *, owner_id: UUID, vm_id: UUID) -> None:
    state = await platform.get_vm(owner_id=owner_id, vm_id=vm_id)
    assert (state.power, state.locked) == (Power.STOPPED, True)


@pytest.fixture
async def locked_vm(rig: Rig, owner_id: UUID, vm: UUID) -> UUID:
    """A VM that was running until it was locked; its fence is 2."""
    state = await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert (state.power, state.locked) == (Power.STOPPED, True)
    return vm


async def test_start_is_refused_and_its_fence_is_kept(
    rig: Rig, owner_id: UUID, locked_vm: UUID
) -> None:
    with pytest.raises(VMLocked):
        await rig.platform.start_vm(owner_id=owner_id, vm_id=locked_vm, fence=3)

    await _stays_stopped(rig.platform, owner_id=owner_id, vm_id=locked_vm)
    assert (await rig.platform.get_vm(owner_id=owner_id, vm_id=locked_vm)).fence == 3


async def test_restart_is_refused(rig: Rig, owner_id: UUID, locked_vm: UUID) -> None:
    with pytest.raises(VMLocked):
        await rig.platform.restart_vm(owner_id=owner_id, vm_id=locked_vm, fence=3)

    await _stays_stopped(rig.platform, owner_id=owner_id, vm_id=locked_vm)


async def test_a_rebuilt_driver_refuses_too(rig: Rig, owner_id: UUID, locked_vm: UUID) -> None:
    rebuilt = rig.rebuilt()

    await _stays_stopped(rebuilt, owner_id=owner_id, vm_id=locked_vm)
    with pytest.raises(VMLocked):
        await rebuilt.start_vm(owner_id=owner_id, vm_id=locked_vm, fence=3)
    await _stays_stopped(rebuilt, owner_id=owner_id, vm_id=locked_vm)


async def test_a_restart_of_the_node_does_not_start_it(
    rig: Rig, owner_id: UUID, locked_vm: UUID
) -> None:
    await rig.restart_node()

    await _stays_stopped(rig.platform, owner_id=owner_id, vm_id=locked_vm)


async def test_repeating_its_creation_or_renaming_does_not_start_it(
    rig: Rig, owner_id: UUID, locked_vm: UUID
) -> None:
    await create(rig, owner_id=owner_id, vm_id=locked_vm, fence=3)
    await rig.platform.rename_vm(owner_id=owner_id, vm_id=locked_vm, hostname="x", fence=4)
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=locked_vm, fence=5)

    await _stays_stopped(rig.platform, owner_id=owner_id, vm_id=locked_vm)


async def test_locking_twice_is_locking_once(rig: Rig, owner_id: UUID, locked_vm: UUID) -> None:
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=locked_vm, fence=3)
    state = await rig.platform.unlock_vm(owner_id=owner_id, vm_id=locked_vm, fence=4)

    assert (state.power, state.locked) == (Power.STOPPED, False)


async def test_unlocked_it_stays_stopped_until_somebody_starts_it(
    rig: Rig, owner_id: UUID, locked_vm: UUID
) -> None:
    for fence in (3, 4):
        state = await rig.platform.unlock_vm(owner_id=owner_id, vm_id=locked_vm, fence=fence)
        assert (state.power, state.locked) == (Power.STOPPED, False)
    await rig.restart_node()
    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=locked_vm)
    assert state.power is Power.STOPPED

    state = await rig.platform.start_vm(owner_id=owner_id, vm_id=locked_vm, fence=5)

    assert state.power is Power.RUNNING
