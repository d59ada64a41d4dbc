import asyncio
from ipaddress import IPv4Address
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from selling_service.provisioning.drivers.simulated import (
    Behaviour,
    Fault,
    FaultKind,
    SimulatedPlatform,
    get_behaviour,
    set_behaviour,
)
from selling_service.provisioning.drivers.simulated.addresses import address
from selling_service.provisioning.drivers.simulated.models import SimulatedVMRow
from selling_service.provisioning.platform import (
    PlatformFull,
    PlatformRefused,
    PlatformUnavailable,
    Power,
    VMSize,
)
from tests.provisioning.calls import CALLS
from tests.provisioning.rigs import CONTENT, SimulatedRig, create, new_user


@pytest.fixture
def rig(simulated: SimulatedRig) -> SimulatedRig:
    return simulated


async def _behave(rig: SimulatedRig, call: str, kind: FaultKind, times: int | None) -> None:
    faults = {call: Fault(kind=kind, times=times)}
    await rig.platform.set_behaviour(Behaviour(faults=faults))


async def test_away_for_a_number_of_calls_and_then_back(
    rig: SimulatedRig, owner_id: UUID, vm: UUID
) -> None:
    await _behave(rig, "stop_vm", FaultKind.UNAVAILABLE, 2)

    for platform in (rig.platform, rig.rebuilt()):
        with pytest.raises(PlatformUnavailable):
            await platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    state = await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)
    assert (state.power, state.fence) == (Power.RUNNING, 1)

    state = await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    assert state.power is Power.STOPPED
    assert (await get_behaviour(rig.engine, name="simulated")).faults == {}


async def test_away_for_every_call_until_told_otherwise(
    rig: SimulatedRig, owner_id: UUID, vm: UUID
) -> None:
    await _behave(rig, "*", FaultKind.UNAVAILABLE, None)

    for call in CALLS.values():
        with pytest.raises(PlatformUnavailable):
            await call(rig, owner_id, vm, 2)
    with pytest.raises(PlatformUnavailable):
        await rig.platform.capacity()

    await rig.platform.set_behaviour(Behaviour())
    assert (await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)).fence == 1


async def test_a_fault_of_one_call_goes_before_that_of_all(
    rig: SimulatedRig, owner_id: UUID, vm: UUID
) -> None:
    faults = {
        "*": Fault(kind=FaultKind.UNAVAILABLE),
        "stop_vm": Fault(kind=FaultKind.REFUSED, times=1),
    }
    await rig.platform.set_behaviour(Behaviour(faults=faults))

    with pytest.raises(PlatformRefused):
        await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)
    with pytest.raises(PlatformUnavailable):
        await rig.platform.stop_vm(owner_id=owner_id, vm_id=vm, fence=2)


async def test_set_to_be_full_it_makes_nothing(
    rig: SimulatedRig, owner_id: UUID, vm_id: UUID
) -> None:
    await _behave(rig, "create_vm", FaultKind.FULL, None)

    with pytest.raises(PlatformFull):
        await create(rig, owner_id=owner_id, vm_id=vm_id)

    assert await rig.platform.list_vms(owner_id=owner_id) == []


async def test_a_lost_answer_is_done_and_the_repeat_does_it_no_second_time(
    rig: SimulatedRig, owner_id: UUID, vm_id: UUID
) -> None:
    await _behave(rig, "create_vm", FaultKind.ANSWER_LOST, 1)

    with pytest.raises(PlatformUnavailable):
        await create(rig, owner_id=owner_id, vm_id=vm_id)
    assert (await rig.platform.get_vm(owner_id=owner_id, vm_id=vm_id)).power is Power.RUNNING
    await create(rig, owner_id=owner_id, vm_id=vm_id)

    assert (await rig.platform.capacity()).vms_used == 1
    assert "boots=1" in await rig.platform.console(vm_id=vm_id)


async def test_half_done_other_calls_are_not_begun(
    rig: SimulatedRig, owner_id: UUID, vm: UUID
) -> None:
    await _behave(rig, "lock_vm", FaultKind.HALF_DONE, 1)

    with pytest.raises(PlatformUnavailable):
        await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)

    assert (await rig.platform.get_vm(owner_id=owner_id, vm_id=vm)).fence == 1


async def test_it_is_as_slow_as_it_is_told_to_be(rig: SimulatedRig, owner_id: UUID) -> None:
    await rig.platform.set_behaviour(Behaviour(delay_ms=150))
    loop = asyncio.get_running_loop()
    before = loop.time()

    await asyncio.gather(*(rig.platform.list_vms(owner_id=owner_id) for _ in range(4)))

    assert 0.15 <= loop.time() - before < 0.5


async def test_a_user_has_no_more_vms_than_the_quota(rig: SimulatedRig, owner_id: UUID) -> None:
    await rig.platform.set_behaviour(Behaviour(vms_per_user=2))

    outcomes = await asyncio.gather(
        *(create(rig, owner_id=owner_id, vm_id=uuid4()) for _ in range(5)),
        return_exceptions=True,
    )

    assert sum(isinstance(outcome, PlatformRefused) for outcome in outcomes) == 3
    assert len(await rig.platform.list_vms(owner_id=owner_id)) == 2
    other = await new_user(rig.platform)
    assert (await create(rig, owner_id=other, vm_id=uuid4())).power is Power.RUNNING


async def test_behaviour_is_kept_as_it_was_set(rig: SimulatedRig) -> None:
    wanted = Behaviour(
        vms=5,
        vcpu=6,
        ram_mib=7,
        disk_gib=8,
        vms_per_user=2,
        images=("a", "b"),
        delay_ms=3,
        faults={"create_vm": Fault(kind=FaultKind.FULL, times=4)},
    )

    await set_behaviour(rig.engine, name="new", behaviour=wanted)

    assert await get_behaviour(rig.engine, name="new") == wanted
    assert await get_behaviour(rig.engine, name="unheard of") == Behaviour()


async def test_no_two_vms_have_an_address_in_common(rig: SimulatedRig, owner_id: UUID) -> None:
    size = VMSize(vcpu=1, ram_mib=32, disk_gib=1, ipv4=3)

    states = await asyncio.gather(
        *(
            rig.platform.create_vm(
                owner_id=owner_id,
                vm_id=uuid4(),
                size=size,
                image=rig.image,
                content=CONTENT,
                fence=1,
            )
            for _ in range(8)
        )
    )

    addresses = [given for state in states for given in state.addresses]
    assert len(set(addresses)) == 24
    assert all(given.startswith("192.0.2.") for given in addresses)


def test_addresses_go_on_after_the_ranges_for_documentation() -> None:
    given = [address(number) for number in range(3 * 254 + 2)]

    assert given[0] == "192.0.2.1"
    assert given[254] == "198.51.100.1"
    assert given[3 * 254 :] == ["100.64.0.1", "100.64.0.2"]
    assert len(set(given)) == len(given)
    assert not any(IPv4Address(one).is_global for one in given)
    with pytest.raises(ValueError, match="given"):
        address(1 << 32)


async def test_the_database_itself_refuses_a_locked_vm_that_runs(
    rig: SimulatedRig, owner_id: UUID, vm: UUID
) -> None:
    await rig.platform.lock_vm(owner_id=owner_id, vm_id=vm, fence=2)
    run = update(SimulatedVMRow).where(SimulatedVMRow.vm_id == vm).values(power="running")

    with pytest.raises(IntegrityError, match="locked_is_stopped"):
        async with rig.engine.begin() as connection:
            await connection.execute(run)


async def test_two_platforms_in_one_database_know_nothing_of_each_other(
    rig: SimulatedRig, owner_id: UUID, vm: UUID
) -> None:
    other = SimulatedPlatform(rig.engine, name="other")
    await other.ensure_user(owner_id=owner_id)

    assert await other.list_vms(owner_id=owner_id) == []
    state = await create(rig, other, owner_id=owner_id, vm_id=vm)
    await other.delete_vm(owner_id=owner_id, vm_id=vm, fence=2)

    assert state.power is Power.RUNNING
    assert len(await rig.platform.list_vms(owner_id=owner_id)) == 1


async def test_a_database_that_is_away_is_a_platform_that_is_away() -> None:
    engine = create_async_engine("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")

    with pytest.raises(PlatformUnavailable):
        await SimulatedPlatform(engine, name="simulated").capacity()
    await engine.dispose()
