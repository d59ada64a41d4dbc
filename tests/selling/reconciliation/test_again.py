"""An order that is sent again to a provider whose books were restored from a backup."""

from typing import Any

import asyncpg
import httpx
import pytest

from selling_service.provisioning.drivers.simulated import FaultKind
from selling_service.provisioning.platform import Power
from selling_service.services.actions.outdated import PATIENCE
from shared.kit.hints import asyncpg_arguments
from tests.selling.reconciliation.comparing import compare, found, on_vm
from tests.selling.services.faults import break_calls, finish
from tests.selling.services.house import Caller, House, vm_of

LOST = ("operations", "terms", "suspensions", "received_commands", "holds", "jobs", "services")


async def forget(url: str) -> None:
    """Lose all that the books know of services and accounts; the platform keeps what it has."""
    database = await asyncpg.connect(**asyncpg_arguments(url))
    await database.execute("SET session_replication_role = replica")
    for table in (*LOST, "platform_users", "accounts"):
        await database.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours
    await database.close()


async def ordered(house: House, partner: Caller) -> dict[str, Any]:
    body = house.order()
    assert (await partner.send("/services", body)).status_code == 202
    await house.settle(partner.id)
    return body


@pytest.mark.parametrize("stands", ["running", "stopped", "locked"])
async def test_vm_is_found_again_as_it_stands_and_nothing_is_built(
    house: House, partner: Caller, selling_database_url: str, stands: str
) -> None:
    body = await ordered(house, partner)
    before = await vm_of(house, partner, body["service_ref"])
    change = {
        "running": "fence = 7",
        "stopped": "fence = 7, power = 'stopped', wanted = 'stopped'",
        "locked": "fence = 7, power = 'stopped', wanted = 'stopped', locked = true",
    }
    await on_vm(house, change[stands])
    await forget(selling_database_url)
    answer = await partner.send("/services", {**body, "again": True})
    assert answer.status_code == 202, answer.text
    await house.settle(partner.id)
    service = await partner.service(body["service_ref"])
    vm = await vm_of(house, partner, body["service_ref"])
    assert service["state"] == "active"
    assert (vm.vm_id, vm.addresses) == (before.vm_id, before.addresses)
    assert (vm.power == Power.RUNNING, vm.locked) == (stands == "running", stands == "locked")
    assert service["wanted_power"] == ("stopped" if stands == "stopped" else "running")
    assert await house.count("simulated_vms") == 1
    assert await house.count("simulated_vms", "boots = 1") == 1
    # What follows isn't taken for overtaken.
    await partner.send(f"/services/{body['service_ref']}/suspend", {})
    await finish(house)
    assert (await vm_of(house, partner, body["service_ref"])).locked


async def test_order_again_without_a_vm_fails_builds_nothing_and_costs_nothing(
    house: House, partner: Caller
) -> None:
    body = house.order(again=True)
    before = (await house.balance(partner.id)).balance
    answer = await partner.send("/services", body)
    await house.settle(partner.id)
    assert (await partner.operation(answer))["state"] == "failed"
    assert await house.count("simulated_vms") == 0
    balance = await house.balance(partner.id)
    assert (balance.balance, balance.held) == (before, 0)


async def test_order_again_that_fails_deletes_no_vm(
    house: House, partner: Caller, selling_database_url: str
) -> None:
    body = await ordered(house, partner)
    vm = await vm_of(house, partner, body["service_ref"])
    await forget(selling_database_url)
    await break_calls(house, "get_vm", FaultKind.REFUSED, 1)
    answer = await partner.send("/services", {**body, "again": True})
    await finish(house)
    assert (await partner.operation(answer))["state"] == "failed"
    assert await house.count("simulated_vms", f"NOT deleted AND vm_id = '{vm.vm_id}'") == 1


async def test_books_older_than_the_platform_stop_at_once_and_start_after_a_while(
    house: House, partner: Caller, ref: str
) -> None:
    await on_vm(house, "fence = 50, power = 'stopped', wanted = 'stopped', locked = true")
    start = await partner.send(f"/services/{ref}/restart", {})
    async with house.working():
        began = house.clock.now()
        while not await house.count("operations", "state = 'waiting'"):
            assert await house.count("operations", "finished_at IS NULL") == 1
    later = f"kind = 'operation' AND run_at > '{began.isoformat()}'"
    assert await house.count("jobs", later) == 1
    assert (await vm_of(house, partner, ref)).fence == 50
    await partner.send(f"/services/{ref}/suspend", {})
    await finish(house)
    assert house.clock.now() - began < PATIENCE
    assert (await partner.operation(start))["state"] == "superseded"
    vm = await vm_of(house, partner, ref)
    assert (vm.locked, vm.fence >= 50) == (True, True)


async def test_fence_of_a_platform_that_knows_more_is_taken_over_while_nothing_is_under_way(
    house: House, partner: Caller, ref: str, desk: httpx.AsyncClient
) -> None:
    await on_vm(house, "fence = 50")
    await compare(house)
    (row,) = await found(desk, state="gone")
    assert (row["kind"], row["safe"]) == ("fence_behind", True)
    assert await house.count("services", "fence = 50") == 1
