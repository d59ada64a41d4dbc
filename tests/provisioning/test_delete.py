from uuid import UUID

import pytest

from selling_service.provisioning.platform import NotFound, Power
from tests.provisioning.rigs import Rig, create


async def test_a_deleted_vm_leaves_nothing(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    assert await rig.traces(vm) != []

    for fence in (2, 2, 3):
        await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm, fence=fence)

    assert await rig.traces(vm) == []
    assert await rig.platform.list_vms(owner_id=owner_id) == []
    with pytest.raises(NotFound):
        await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)


async def test_a_locked_vm_can_be_deleted(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)

    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm, fence=3)

    assert await rig.traces(vm) == []


async def test_what_was_left_half_done_can_be_deleted(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    await rig.create_half(owner_id=owner_id, vm_id=vm_id, fence=1)

    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=2)

    assert await rig.traces(vm_id) == []
    assert (await rig.platform.capacity()).vms_used == 0


async def test_deleting_what_never_was_is_no_error(rig: Rig, owner_id: UUID, vm_id: UUID) -> None:
    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=1)

    assert await rig.traces(vm_id) == []
    state = await create(rig, owner_id=owner_id, vm_id=vm_id, fence=2)
    assert state.power is Power.RUNNING


async def test_a_deleted_vm_does_not_come_back_when_the_node_restarts(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm, fence=2)

    await rig.restart_node()

    assert await rig.platform.list_vms(owner_id=owner_id) == []
