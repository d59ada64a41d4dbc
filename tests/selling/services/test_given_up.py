"""Operations that waited for staff: what newer ones make of them, and what a retry still does."""

from typing import Any

import pytest

from selling_service.provisioning.drivers.simulated import FaultKind
from selling_service.provisioning.platform import Power
from tests.selling.services.faults import (
    break_calls,
    finish,
    give_up,
    mend,
    vm_facts,
    work_until_state,
)
from tests.selling.services.house import Caller, House


@pytest.fixture
async def ref(house: House, partner: Caller) -> str:
    """The service_ref of an active service."""
    body = house.order()
    await partner.send("/services", body)
    await house.settle(partner.id)
    return str(body["service_ref"])


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
