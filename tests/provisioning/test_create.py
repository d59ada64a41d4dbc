from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from selling_service.provisioning.platform import (
    NotFound,
    PlatformFull,
    Power,
    UnknownImage,
    VMLocked,
)
from tests.provisioning.rigs import CONTENT, SIZE, Rig, create, new_user

# Nobody but us can log in to such a VM before it is whole.
INSTALLS_BY_RUNNING = {"vmmanager6"}


async def test_a_created_vm_runs_and_is_told_as_it_was_ordered(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    state = await create(rig, owner_id=owner_id, vm_id=vm_id, fence=4)

    assert state.power is Power.RUNNING
    assert (state.vm_id, state.owner_id, state.fence) == (vm_id, owner_id, 4)
    assert (state.size, state.image, state.hostname) == (SIZE, rig.image, "web-1")
    assert not state.locked
    assert await rig.platform.get_vm(owner_id=owner_id, vm_id=vm_id) == state
    assert await rig.platform.list_vms(owner_id=owner_id) == [state]


async def test_a_vm_that_is_not_wanted_started_is_created_locked(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    state = await create(rig, owner_id=owner_id, vm_id=vm_id, started=False)

    assert (state.power, state.locked) == (Power.STOPPED, True)
    with pytest.raises(VMLocked):
        await rig.platform.start_vm(owner_id=owner_id, vm_id=vm_id, fence=2)
    await rig.platform.unlock_vm(owner_id=owner_id, vm_id=vm_id, fence=3)
    state = await rig.platform.start_vm(owner_id=owner_id, vm_id=vm_id, fence=4)
    assert state.power is Power.RUNNING


async def test_a_repeat_finds_the_vm_again(rig: Rig, owner_id: UUID, vm_id: UUID) -> None:
    first = await create(rig, owner_id=owner_id, vm_id=vm_id, fence=1)
    second = await create(rig, owner_id=owner_id, vm_id=vm_id, fence=1)
    third = await create(rig, rig.rebuilt(), owner_id=owner_id, vm_id=vm_id, fence=2)

    assert second == first
    assert third == replace(first, fence=2)
    assert (await rig.platform.capacity()).vms_used == 1


async def test_a_repeat_finishes_what_was_left_half_done(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    await rig.create_half(owner_id=owner_id, vm_id=vm_id, fence=1)
    half = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm_id)
    assert half.power is Power.STOPPED or rig.platform.name in INSTALLS_BY_RUNNING

    state = await create(rig, owner_id=owner_id, vm_id=vm_id, fence=2)

    assert (state.power, state.locked, state.fence) == (Power.RUNNING, False, 2)
    assert (await rig.platform.capacity()).vms_used == 1


async def test_a_repeat_that_is_not_wanted_started_stops_and_locks_the_vm(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    state = await create(rig, owner_id=owner_id, vm_id=vm, fence=2, started=False)

    assert (state.power, state.locked) == (Power.STOPPED, True)


async def test_a_repeat_never_starts_a_vm_that_was_locked_meanwhile(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)

    state = await create(rig, owner_id=owner_id, vm_id=vm, fence=3)

    assert (state.power, state.locked) == (Power.STOPPED, True)


async def test_a_vm_half_done_and_then_locked_is_finished_but_not_started(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    await rig.create_half(owner_id=owner_id, vm_id=vm_id, fence=1)
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm_id, fence=2)

    state = await create(rig, owner_id=owner_id, vm_id=vm_id, fence=3)

    assert (state.power, state.locked) == (Power.STOPPED, True)


async def test_without_a_platform_user_there_is_no_vm(rig: Rig, vm_id: UUID) -> None:
    stranger = uuid4()

    with pytest.raises(NotFound):
        await create(rig, owner_id=stranger, vm_id=vm_id)

    assert await rig.traces(vm_id) == []
    assert (await rig.platform.capacity()).vms_used == 0


async def test_an_id_of_another_owner_is_refused_and_left_alone(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    other = await new_user(rig.platform)

    with pytest.raises(NotFound):
        await create(rig, owner_id=other, vm_id=vm, fence=9)

    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert (state.power, state.fence) == (Power.RUNNING, 1)


async def test_an_unknown_os_template_is_refused_before_anything_is_made(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    await rig.with_images()

    with pytest.raises(UnknownImage):
        await rig.platform.create_vm(
            owner_id=owner_id, vm_id=vm_id, size=SIZE, image="beos", content=CONTENT, fence=1
        )

    assert await rig.traces(vm_id) == []
    assert (await rig.platform.capacity()).vms_used == 0


async def test_a_full_platform_refuses_one_more_and_takes_it_when_there_is_room_again(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    await rig.with_room_for(1)
    await create(rig, owner_id=owner_id, vm_id=vm_id)
    another = uuid4()

    with pytest.raises(PlatformFull):
        await create(rig, owner_id=owner_id, vm_id=another)
    assert await rig.traces(another) == []

    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=2)
    state = await create(rig, owner_id=owner_id, vm_id=another)
    assert state.power is Power.RUNNING


async def test_capacity_counts_what_vms_take(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    taken = await rig.platform.capacity()
    assert (taken.vms_used, taken.vcpu_used) == (1, SIZE.vcpu)
    assert (taken.ram_mib_used, taken.disk_gib_used) == (SIZE.ram_mib, SIZE.disk_gib)
    assert taken.vms > 1

    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm, fence=2)

    left = await rig.platform.capacity()
    assert (left.vms_used, left.vcpu_used, left.ram_mib_used, left.disk_gib_used) == (0, 0, 0, 0)
