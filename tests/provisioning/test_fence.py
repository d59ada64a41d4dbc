from uuid import UUID

import pytest

from selling_service.provisioning.platform import Power, StaleFence
from tests.provisioning.calls import CALLS
from tests.provisioning.rigs import Rig, create


async def test_every_changing_call_that_was_overtaken_is_refused_and_changes_nothing(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.start_vm(owner_id=owner_id, vm_id=vm, fence=7)
    before = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)

    for call in CALLS.values():
        with pytest.raises(StaleFence):
            await call(rig, owner_id, vm, 6)

    assert await rig.platform.get_vm(owner_id=owner_id, vm_id=vm) == before


async def test_the_same_fence_again_is_a_repeat(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    for name in ("lock", "unlock", "start", "restart", "rename", "stop", "create", "delete"):
        await CALLS[name](rig, owner_id, vm, 7)

    assert await rig.platform.list_vms(owner_id=owner_id) == []


async def test_a_frozen_worker_cannot_start_what_was_suspended_since(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    frozen, fence_of_the_frozen = rig.rebuilt(), 2
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=3)
    await rig.platform.unlock_vm(owner_id=owner_id, vm_id=vm, fence=4)

    with pytest.raises(StaleFence):
        await frozen.start_vm(owner_id=owner_id, vm_id=vm, fence=fence_of_the_frozen)

    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert (state.power, state.fence) == (Power.STOPPED, 4)


async def test_a_frozen_worker_cannot_create_again_what_was_deleted_since(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm, fence=3)

    with pytest.raises(StaleFence):
        await create(rig, rig.rebuilt(), owner_id=owner_id, vm_id=vm, fence=2)

    assert await rig.platform.list_vms(owner_id=owner_id) == []
    assert await rig.traces(vm) == []


async def test_a_late_creation_loses_against_a_delete_that_found_nothing(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=5)

    with pytest.raises(StaleFence):
        await create(rig, owner_id=owner_id, vm_id=vm_id, fence=4)
