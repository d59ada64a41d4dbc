"""Operations that waited for staff: what newer ones make of them, and what a retry still does."""

from typing import Any

import httpx
import pytest
from sqlalchemy import text

from selling_service.provisioning.drivers.simulated import FaultKind
from selling_service.provisioning.platform import Power
from tests.selling.services.faults import (
    break_calls,
    facts,
    finish,
    finish_but,
    give_up,
    mend,
    vm_facts,
    work_until_state,
)
from tests.selling.services.house import Caller, House


async def get_stuck(house: House, partner: Caller, ref: str, verb: str, call: str, **b: Any) -> Any:
    """The answer to a command that was begun, perhaps done, and given up."""
    await break_calls(house, call, FaultKind.ANSWER_LOST)
    answer = await partner.send(f"/services/{ref}/{verb}", b)
    await work_until_state(house, partner, answer, "waiting")
    await give_up(house)
    await mend(house)
    return answer


async def test_termination_behind_a_restore_that_was_given_up_ends_both(
    house: House, partner: Caller, ref: str
) -> None:
    await partner.send(f"/services/{ref}/terminate", {})
    await finish(house)
    house.clock.advance(days=10)
    stuck = await get_stuck(house, partner, ref, "restore", "start_vm", renew=True)
    assert await vm_facts(house, partner, ref) == (Power.RUNNING, False)
    ended = await partner.send(f"/services/{ref}/terminate", {})
    await finish(house)
    assert (await partner.operation(stuck))["state"] == "superseded"
    assert (await partner.operation(ended))["state"] == "succeeded"
    assert (await house.balance(partner.id)).held == 0
    assert (await partner.service(ref))["state"] == "terminated"
    assert await vm_facts(house, partner, ref) == (Power.STOPPED, True)
    house.clock.advance(days=13)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "terminated"
    house.clock.advance(days=2)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "deleted"


async def test_start_that_was_given_up_does_not_undo_a_later_stop(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    await partner.send(f"/services/{ref}/stop", {})
    await finish(house)
    stuck = await get_stuck(house, partner, ref, "start", "start_vm")
    stopped = await partner.send(f"/services/{ref}/stop", {})
    await finish_but(house, stuck)
    assert (await partner.operation(stopped))["state"] == "succeeded"

    (shown,) = (await desk.get("/operations", params={"state": "waiting"})).json()["items"]
    assert shown["given_up"] is True
    assert (await desk.post(f"/operations/{shown['id']}/retry")).status_code == 202
    await finish(house)

    assert (await partner.operation(stuck))["state"] == "superseded"
    assert await facts(partner, ref) == ("active", "stopped", "stopped")
    assert (await vm_facts(house, partner, ref))[0] is Power.STOPPED


@pytest.mark.parametrize("end", ["retry", "suspend", "cancel"])
async def test_start_that_was_given_up_does_not_undo_what_two_later_ones_have_left(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str, end: str
) -> None:
    path = f"/services/{ref}"
    await partner.send(f"{path}/stop", {})
    await finish(house)
    stuck = await get_stuck(house, partner, ref, "start", "start_vm")
    for later in ("stop", "start"):
        await partner.send(f"{path}/{later}", {})
        await finish_but(house, stuck)
    if end == "retry":
        await desk.post(f"/operations/{stuck.json()['id']}/retry")
    elif end == "cancel":
        await partner.http.post(f"/commands/{stuck.json()['command_id']}/cancel")
    else:
        await partner.send(f"{path}/suspend", {})
        await finish(house)
        await partner.send(f"{path}/resume", {})
    await finish(house)
    ended = (await partner.operation(stuck))["state"]
    assert ended == ("cancelled" if end == "cancel" else "superseded")
    assert await facts(partner, ref) == ("active", "running", "running")
    assert (await vm_facts(house, partner, ref))[0] is Power.RUNNING


async def test_restart_that_was_given_up_does_not_follow_a_later_one(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    stuck = await get_stuck(house, partner, ref, "restart", "restart_vm")
    await partner.send(f"/services/{ref}/restart", {})
    await finish_but(house, stuck)
    await desk.post(f"/operations/{stuck.json()['id']}/retry")
    await finish(house)
    assert (await partner.operation(stuck))["state"] == "superseded"
    assert await facts(partner, ref) == ("active", "running", "running")


async def test_start_that_a_termination_left_behind_is_not_wanted_after_a_restore(
    house: House, partner: Caller, ref: str
) -> None:
    await partner.send(f"/services/{ref}/stop", {})
    await finish(house)
    await get_stuck(house, partner, ref, "start", "start_vm")
    for verb in ("terminate", "restore"):
        await partner.send(f"/services/{ref}/{verb}", {})
        await finish(house)
    assert await facts(partner, ref) == ("active", "stopped", "stopped")


async def test_name_that_was_given_up_does_not_come_back_over_a_later_one(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    old, new = {"hostname": "old.example.com"}, {"hostname": "new.example.com"}
    stuck = await get_stuck(house, partner, ref, "rename", "rename_vm", **old)
    await partner.send(f"/services/{ref}/rename", new)
    await finish_but(house, stuck)
    operation_id = stuck.json()["id"]
    assert (await desk.get(f"/operations/{operation_id}")).json()["given_up"] is True
    await desk.post(f"/operations/{operation_id}/retry")
    await finish(house)
    assert (await partner.service(ref))["hostname"] == new["hostname"]
    assert (await partner.operation(stuck))["state"] == "superseded"


async def test_suspension_is_tried_for_as_long_as_its_platform_is_away(
    house: House, partner: Caller, ref: str
) -> None:
    await break_calls(house, "lock_vm", FaultKind.UNAVAILABLE)
    answer = await partner.send(f"/services/{ref}/suspend", {"actor": "client"})
    await work_until_state(house, partner, answer, "waiting")
    async with house.runtime.staff.write() as session:
        many = "UPDATE jobs SET attempts = 500, run_at = created_at WHERE kind = 'operation'"
        await session.execute(text(many))
    await mend(house)
    await finish(house)
    assert (await partner.operation(answer))["state"] == "succeeded"
    assert await vm_facts(house, partner, ref) == (Power.STOPPED, True)


async def test_what_the_provider_ends_too_only_the_provider_takes_back(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    await partner.send(f"/services/{ref}/terminate", {})
    await finish(house)
    (service,) = (await desk.get("/services")).json()["items"]
    assert (await desk.post(f"/services/{service['id']}/terminate", json={})).status_code == 202
    refused = await partner.send(f"/services/{ref}/restore", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    assert (await desk.post(f"/services/{service['id']}/restore", json={})).status_code == 202
    await finish(house)
    assert (await partner.service(ref))["state"] == "active"
