import asyncio
from uuid import UUID, uuid4

from selling_service.provisioning.platform import PlatformError, PlatformFull, Power, StaleFence
from tests.provisioning.calls import CALLS
from tests.provisioning.rigs import Rig, create


async def test_the_same_creation_many_times_at_once_makes_one_vm(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    states = await asyncio.gather(
        *(
            create(rig, rig.rebuilt(), owner_id=owner_id, vm_id=vm_id, fence=fence)
            for fence in (1, 1, 1, 1, 1, 1)
        )
    )

    assert {state.power for state in states} == {Power.RUNNING}
    assert len(await rig.platform.list_vms(owner_id=owner_id)) == 1
    assert (await rig.platform.capacity()).vms_used == 1


async def test_whatever_the_order_of_arrival_the_last_word_is_the_suspension(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    calls = [("start", 2), ("lock", 9), ("restart", 3), ("stop", 4), ("unlock", 5), ("start", 8)]

    outcomes = await asyncio.gather(
        *(CALLS[name](rig, owner_id, vm, fence) for name, fence in calls),
        return_exceptions=True,
    )

    assert not isinstance(outcomes[1], BaseException)
    assert all(isinstance(o, PlatformError) for o in outcomes if isinstance(o, BaseException))
    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert (state.power, state.locked, state.fence) == (Power.STOPPED, True, 9)


async def test_creation_and_deletion_at_once_end_without_a_vm(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    outcomes = await asyncio.gather(
        create(rig, owner_id=owner_id, vm_id=vm_id, fence=1),
        rig.platform.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=2),
        create(rig, owner_id=owner_id, vm_id=vm_id, fence=1),
        return_exceptions=True,
    )

    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert all(isinstance(failure, StaleFence) for failure in failures)
    assert await rig.platform.list_vms(owner_id=owner_id) == []
    assert await rig.traces(vm_id) == []


async def test_the_last_place_is_given_once(rig: Rig, owner_id: UUID) -> None:
    await rig.with_room_for(2)

    outcomes = await asyncio.gather(
        *(create(rig, owner_id=owner_id, vm_id=uuid4()) for _ in range(6)),
        return_exceptions=True,
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, PlatformFull)]
    assert len(refused) == 4
    assert len(await rig.platform.list_vms(owner_id=owner_id)) == 2
    assert (await rig.platform.capacity()).vms_used == 2
