from uuid import UUID

from selling_service.provisioning.platform import Power
from tests.provisioning.rigs import Rig, create_guest


async def test_stop_and_start_are_idempotent(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    platform = rig.platform
    for fence in (2, 3):
        state = await platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=fence)
        assert (state.power, state.fence) == (Power.STOPPED, fence)
    for fence in (4, 5):
        state = await platform.start_vm(owner_id=owner_id, vm_id=vm, fence=fence)
        assert (state.power, state.fence) == (Power.RUNNING, fence)


async def test_restart_starts_a_stopped_vm_too(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)

    state = await rig.platform.restart_vm(owner_id=owner_id, vm_id=vm, fence=3)

    assert state.power is Power.RUNNING


async def test_a_vm_that_ended_by_itself_is_seen_as_stopped_and_can_be_started(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    await rig.die(vm)

    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert state.power is Power.STOPPED
    state = await rig.platform.start_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert state.power is Power.RUNNING


async def test_a_rebuilt_driver_finds_the_running_vm(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    before = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)

    rebuilt = rig.rebuilt()

    assert await rebuilt.get_vm(owner_id=owner_id, vm_id=vm) == before
    state = await rebuilt.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert state.power is Power.STOPPED
    assert await rig.platform.get_vm(owner_id=owner_id, vm_id=vm) == state


async def test_after_a_restart_of_the_node_runs_what_ran(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    await rig.restart_node()
    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert state.power is Power.RUNNING

    await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    await rig.restart_node()
    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert state.power is Power.STOPPED


async def test_another_host_name_is_seen_by_the_guest_at_its_next_start(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    await create_guest(rig, owner_id=owner_id, vm_id=vm_id)
    said = await rig.console(vm_id)
    assert "hostname=web-1 boots=1" in said

    for fence in (2, 2):
        state = await rig.platform.rename_vm(
            owner_id=owner_id, vm_id=vm_id, hostname="db-7", fence=fence
        )
        assert (state.hostname, state.power) == ("db-7", Power.RUNNING)
    assert "hostname=web-1" in await rig.console(vm_id)

    await rig.platform.restart_vm(owner_id=owner_id, vm_id=vm_id, fence=3)
    assert "hostname=db-7 boots=2" in await rig.console(vm_id)
