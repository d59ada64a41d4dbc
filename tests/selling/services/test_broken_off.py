"""Operations that end otherwise than meant: money, state, power and VM agree again afterwards."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from sqlalchemy import text

from selling_service.provisioning import actions as provisioning
from selling_service.provisioning.drivers.simulated import FaultKind
from selling_service.provisioning.platform import GuestContent, Power, StaleFence, VMSize
from tests.selling.services.faults import (
    break_calls,
    facts,
    finish,
    give_up,
    mend,
    vm_facts,
    work_until_state,
)
from tests.selling.services.house import Caller, House, vm_of, wait_until


async def test_second_suspend_does_not_succeed_before_the_vm_is_stopped(
    house: House, partner: Caller, ref: str
) -> None:
    await break_calls(house, "lock_vm", FaultKind.UNAVAILABLE)
    first = await partner.send(f"/services/{ref}/suspend", {})
    await work_until_state(house, partner, first, "waiting")
    second = await partner.send(f"/services/{ref}/suspend", {})
    assert second.json()["state"] == "queued"
    await mend(house)
    await finish(house)
    assert (await partner.operation(second))["state"] == "succeeded"
    assert await vm_facts(house, partner, ref) == (Power.STOPPED, True)


async def test_suspend_that_the_platform_refused_is_carried_out_behind_it(
    house: House, partner: Caller, ref: str
) -> None:
    await break_calls(house, "lock_vm", FaultKind.REFUSED, times=1)
    answer = await partner.send(f"/services/{ref}/suspend", {})
    await finish(house)
    assert (await partner.operation(answer))["state"] == "failed"
    assert await facts(partner, ref) == ("suspended", "stopped", "running")
    assert await vm_facts(house, partner, ref) == (Power.STOPPED, True)


async def test_resume_that_the_platform_refused_can_be_wished_again(
    house: House, partner: Caller, ref: str
) -> None:
    await partner.send(f"/services/{ref}/suspend", {})
    await finish(house)
    await break_calls(house, "start_vm", FaultKind.REFUSED)
    answer = await partner.send(f"/services/{ref}/resume", {})
    await finish(house)
    assert (await partner.operation(answer))["state"] == "failed"
    await mend(house)
    again = await partner.send(f"/services/{ref}/resume", {})
    await finish(house)
    assert (await partner.operation(again))["result"] == {"running": True, "blockers": []}
    assert await facts(partner, ref) == ("active", "running", "running")


async def test_refused_termination_leaves_the_service_alive_and_its_term_running(
    house: House, partner: Caller, ref: str
) -> None:
    await break_calls(house, "lock_vm", FaultKind.REFUSED, times=1)
    answer = await partner.send(f"/services/{ref}/terminate", {})
    await finish(house)
    assert (await partner.operation(answer))["state"] == "failed"
    assert await facts(partner, ref) == ("active", "running", "running")
    assert await vm_facts(house, partner, ref) == (Power.RUNNING, False)
    house.clock.advance(days=32)
    await house.settle(partner.id)
    assert (await partner.service(ref))["suspensions"][0]["actor"] == "expired"


async def test_termination_that_is_cancelled_half_way_lets_the_vm_run_again(
    house: House, partner: Caller, ref: str
) -> None:
    await break_calls(house, "lock_vm", FaultKind.ANSWER_LOST)
    answer = await partner.send(f"/services/{ref}/terminate", {})
    await work_until_state(house, partner, answer, "waiting")
    assert await vm_facts(house, partner, ref) == (Power.STOPPED, True)
    await mend(house)
    cancelled = await partner.http.post(f"/commands/{answer.json()['command_id']}/cancel")
    assert cancelled.json()["operation"]["state"] == "cancelled"
    await finish(house)
    assert await facts(partner, ref) == ("active", "running", "running")
    assert await vm_facts(house, partner, ref) == (Power.RUNNING, False)


@pytest.mark.parametrize("call", ["unlock_vm", "start_vm"])
async def test_refused_restore_gives_the_money_back_and_locks_the_vm_again(
    house: House, partner: Caller, ref: str, call: str
) -> None:
    await partner.send(f"/services/{ref}/terminate", {})
    await finish(house)
    before = (await house.balance(partner.id)).balance
    await break_calls(house, call, FaultKind.REFUSED, times=1)
    answer = await partner.send(f"/services/{ref}/restore", {"renew": True})
    await finish(house)
    assert (await partner.operation(answer))["state"] == "failed"
    balance = await house.balance(partner.id)
    assert (balance.balance, balance.held) == (before, 0)
    assert (await partner.service(ref))["state"] == "terminated"
    assert await vm_facts(house, partner, ref) == (Power.STOPPED, True)
    house.clock.advance(days=15)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "deleted"


async def test_restore_that_is_cancelled_half_way_locks_the_vm_again(
    house: House, partner: Caller, ref: str
) -> None:
    await partner.send(f"/services/{ref}/terminate", {})
    await finish(house)
    await break_calls(house, "start_vm", FaultKind.ANSWER_LOST)
    answer = await partner.send(f"/services/{ref}/restore", {})
    await work_until_state(house, partner, answer, "waiting")
    assert await vm_facts(house, partner, ref) == (Power.RUNNING, False)
    await partner.http.post(f"/commands/{answer.json()['command_id']}/cancel")
    await finish(house)
    assert (await partner.service(ref))["state"] == "terminated"
    assert await vm_facts(house, partner, ref) == (Power.STOPPED, True)


async def test_cancelled_start_leaves_wanted_power_and_vm_as_they_were(
    house: House, partner: Caller, ref: str
) -> None:
    await partner.send(f"/services/{ref}/stop", {})
    await finish(house)
    await break_calls(house, "start_vm", FaultKind.ANSWER_LOST)
    answer = await partner.send(f"/services/{ref}/start", {})
    await work_until_state(house, partner, answer, "waiting")
    assert await vm_facts(house, partner, ref) == (Power.RUNNING, False)
    await partner.http.post(f"/commands/{answer.json()['command_id']}/cancel")
    await finish(house)
    assert await facts(partner, ref) == ("active", "stopped", "stopped")
    assert await vm_facts(house, partner, ref) == (Power.STOPPED, False)


async def test_start_reaches_a_vm_that_powered_itself_off(
    house: House, partner: Caller, ref: str
) -> None:
    vm = await vm_of(house, partner, ref)
    await house.platform.power_off_inside(vm_id=vm.vm_id)
    await partner.send(f"/services/{ref}/start", {})
    await finish(house)
    assert await vm_facts(house, partner, ref) == (Power.RUNNING, False)


async def test_what_waits_for_staff_does_not_keep_a_terminated_vm_for_ever(
    house: House, partner: Caller, ref: str
) -> None:
    await break_calls(house, "rename_vm", FaultKind.UNAVAILABLE)
    stuck = await partner.send(f"/services/{ref}/rename", {"hostname": "other.example.com"})
    await work_until_state(house, partner, stuck, "waiting")
    await give_up(house)
    await partner.send(f"/services/{ref}/terminate", {})
    await finish(house)
    assert (await partner.operation(stuck))["state"] == "superseded"
    house.clock.advance(days=15)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "deleted"
    assert await house.count("platforms", "vms_used = 0") == 1


async def test_order_that_a_termination_is_ending_cannot_be_cancelled(
    house: House, partner: Caller
) -> None:
    await break_calls(house, "create_vm", FaultKind.UNAVAILABLE)
    body = house.order()
    order = await partner.send("/services", body)
    await work_until_state(house, partner, order, "waiting")
    await give_up(house)
    await break_calls(house, "lock_vm", FaultKind.UNAVAILABLE)
    ending = await partner.send(f"/services/{body['service_ref']}/terminate", {})
    await work_until_state(house, partner, ending, "waiting")
    refused = await partner.http.post(f"/commands/{order.json()['command_id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "command_not_cancellable")
    await mend(house)
    await finish(house)
    await house.settle(partner.id)
    assert (await partner.operation(order))["state"] == "cancelled"
    assert (await house.balance(partner.id)).held == 0
    assert await house.count("platforms", "vms_used = 0") == 1


async def test_worker_that_froze_before_building_cannot_build_what_was_suspended_since(
    house: House, partner: Caller
) -> None:
    await break_calls(house, "create_vm", FaultKind.UNAVAILABLE)
    body = house.order()
    order = await partner.send("/services", body)
    await work_until_state(house, partner, order, "waiting")
    suspended = await partner.send(f"/services/{body['service_ref']}/suspend", {})
    await work_until_state(house, partner, suspended, "succeeded")
    await mend(house)
    async with house.runtime.staff.read() as session:
        row = (await session.execute(text("SELECT id, account_id FROM services"))).one()
    with pytest.raises(StaleFence):
        await house.platform.create_vm(
            owner_id=row.account_id,
            vm_id=row.id,
            size=VMSize(vcpu=1, ram_mib=512, disk_gib=10, ipv4=1),
            image="tandem-guest",
            content=GuestContent(hostname="late.example.com"),
            fence=1,
        )
    await finish(house)
    assert await vm_facts(house, partner, body["service_ref"]) == (Power.STOPPED, True)


async def test_vm_locked_between_two_attempts_runs_when_its_suspension_was_lifted(
    house: House, partner: Caller
) -> None:
    await break_calls(house, "create_vm", FaultKind.ANSWER_LOST)
    body = house.order()
    path = f"/services/{body['service_ref']}"
    order = await partner.send("/services", body)
    await work_until_state(house, partner, order, "waiting")
    await give_up(house)
    await partner.send(f"{path}/suspend", {})
    resumed = await partner.send(f"{path}/resume", {})
    await work_until_state(house, partner, resumed, "succeeded")
    await mend(house)
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE jobs SET state = 'ready' WHERE kind = 'operation'"))
    await finish(house)
    assert await facts(partner, body["service_ref"]) == ("active", "running", "running")
    assert await vm_facts(house, partner, body["service_ref"]) == (Power.RUNNING, False)


async def test_platforms_own_words_are_for_staff_only(
    house: House, partner: Caller, ref: str
) -> None:
    from selling_service.services import queries, schemas  # noqa: PLC0415

    await break_calls(house, "stop_vm", FaultKind.UNAVAILABLE)
    waiting = await partner.send(f"/services/{ref}/stop", {})
    await work_until_state(house, partner, waiting, "waiting")
    await break_calls(house, "stop_vm", FaultKind.REFUSED, times=1)
    await work_until_state(house, partner, waiting, "failed")
    seen = str(await partner.operation(waiting)) + (await partner.http.get("/services")).text
    async with house.runtime.staff.read() as session:
        bodies = await session.scalars(text("SELECT body::text FROM events"))
        seen += "".join(bodies)
        row = await queries.find_operation(session, None, operation_id=UUID(waiting.json()["id"]))
        assert row is not None
    assert "set to" not in seen
    assert schemas.staff_operation(row).platform_detail == "set to refuse"


async def test_revision_grows_when_the_work_begins(house: House, partner: Caller) -> None:
    await break_calls(house, "create_vm", FaultKind.UNAVAILABLE)
    body = house.order()
    order = await partner.send("/services", body)
    ordered = await partner.service(body["service_ref"])
    async with house.working():
        await wait_until(_is(partner, body["service_ref"], "provisioning"))
    begun = await partner.service(body["service_ref"])
    assert (ordered["state"], begun["state"]) == ("ordered", "provisioning")
    events = [type_ for _, type_ in await house.events(partner.id)]
    assert begun["revision"] == ordered["revision"] + events.count("operation.waiting") + 1
    assert (await partner.operation(order))["state"] != "succeeded"


def _is(partner: Caller, ref: str, state: str) -> Callable[[], Awaitable[bool]]:
    async def found() -> bool:
        return bool((await partner.service(ref))["state"] == state)

    return found


async def test_worker_that_froze_while_it_made_a_user_does_not_hold_up_others_for_ever(
    house: House, partner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning, "USERS_LOCK_MS", 50)
    body = house.order()
    order = await partner.send("/services", body)
    account_id = await _account_of(house, body["service_ref"])
    async with house.runtime.app.write(tenant=partner.id) as session:
        await provisioning.hold_users_of(session, account_id)
        await work_until_state(house, partner, order, "waiting")
    await finish(house)
    assert (await partner.operation(order))["state"] == "succeeded"


async def _account_of(house: House, ref: str) -> UUID:
    async with house.runtime.staff.read() as session:
        statement = text("SELECT account_id FROM services WHERE service_ref = :ref")
        return UUID(str((await session.execute(statement, {"ref": ref})).scalar_one()))
