from uuid import UUID, uuid4

import pytest

from selling_service.provisioning.platform import NotFound, PlatformRefused, Power
from tests.provisioning.calls import CALLS
from tests.provisioning.rigs import Rig, create, new_user


async def test_each_owner_sees_their_own_vms_and_no_others(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    other, others_vms = await new_user(rig.platform), [uuid4(), uuid4()]
    for other_vm in others_vms:
        await create(rig, owner_id=other, vm_id=other_vm)

    mine = await rig.platform.list_vms(owner_id=owner_id)
    theirs = await rig.platform.list_vms(owner_id=other)

    assert [state.vm_id for state in mine] == [vm]
    assert {state.vm_id for state in theirs} == set(others_vms)
    assert await rig.platform.list_vms(owner_id=uuid4()) == []


async def test_vms_of_all_owners_are_scanned_in_the_order_of_ids_with_their_marks(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    other, more = await new_user(rig.platform), [uuid4(), uuid4()]
    for each in more:
        await create(rig, owner_id=other, vm_id=each, mark=f"mark {each}")
    first = await rig.platform.scan_vms(after=None, limit=2)
    rest = await rig.platform.scan_vms(after=first[-1].vm_id, limit=2)
    found = [*first, *rest]

    assert [state.vm_id for state in found] == sorted([vm, *more])
    marks = {state.vm_id: state.mark for state in found}
    assert marks == {vm: None, **{each: f"mark {each}" for each in more}}
    assert await rig.platform.scan_vms(after=found[-1].vm_id, limit=2) == []


async def test_a_vm_of_another_owner_looks_like_one_that_does_not_exist(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    other = await new_user(rig.platform)

    with pytest.raises(NotFound) as foreign:
        await rig.platform.get_vm(owner_id=other, vm_id=vm)
    with pytest.raises(NotFound) as absent:
        await rig.platform.get_vm(owner_id=other, vm_id=uuid4())

    assert foreign.value.detail == absent.value.detail


async def test_no_call_reaches_a_vm_of_another_owner(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    other = await new_user(rig.platform)

    for call in CALLS.values():
        with pytest.raises(NotFound):
            await call(rig, other, vm, 9)

    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert (state.power, state.locked, state.fence) == (Power.RUNNING, False, 1)


async def test_a_call_on_an_absent_vm_is_not_found_and_leaves_nothing(
    rig: Rig, owner_id: UUID, vm_id: UUID
) -> None:
    for name in ("start", "stop", "restart", "lock", "unlock", "rename"):
        with pytest.raises(NotFound):
            await CALLS[name](rig, owner_id, vm_id, 1)

    assert await rig.traces(vm_id) == []


async def test_making_a_user_twice_makes_one(rig: Rig, owner_id: UUID, vm: UUID) -> None:
    await rig.platform.ensure_user(owner_id=owner_id)

    assert [state.vm_id for state in await rig.platform.list_vms(owner_id=owner_id)] == [vm]


async def test_a_user_goes_after_the_last_vm_and_not_before(
    rig: Rig, owner_id: UUID, vm: UUID
) -> None:
    with pytest.raises(PlatformRefused):
        await rig.platform.delete_user(owner_id=owner_id)
    await rig.platform.delete_vm(owner_id=owner_id, vm_id=vm, fence=2)

    for _ in range(2):
        await rig.platform.delete_user(owner_id=owner_id)

    with pytest.raises(NotFound):
        await create(rig, owner_id=owner_id, vm_id=uuid4())
    await rig.platform.ensure_user(owner_id=owner_id)
    state = await create(rig, owner_id=owner_id, vm_id=uuid4())
    assert state.power is Power.RUNNING
