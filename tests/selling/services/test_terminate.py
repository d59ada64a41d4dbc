"""Terminations: now, at the end of the term, before the service was built; and back again."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from selling_service.provisioning.platform import NotFound
from tests.selling.services.house import Caller, House, vm_of

APRIL, MAY = "2026-04-01T12:00:00Z", "2026-05-01T12:00:00Z"


async def tell(house: House, partner: Caller, ref: str, verb: str, **body: Any) -> Any:
    answer = await partner.send(f"/services/{ref}/{verb}", body)
    await house.settle(partner.id)
    return answer


async def test_terminated_service_is_stopped_locked_and_kept(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(house, partner, ref, "terminate")
    service = await partner.service(ref)
    assert (service["state"], service["power"]) == ("terminated", "stopped")
    assert service["delete_at"] == "2026-03-15T12:00:00Z"
    assert (await vm_of(house, partner, ref)).locked
    for verb in ("start", "stop", "restart", "resume", "suspend"):
        answer = await partner.send(f"/services/{ref}/{verb}", {})
        assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
        assert answer.json()["blockers"] == [
            {"state": "terminated", "allowed": ["restore", "terminate"]}
        ]


async def test_after_the_retention_nothing_is_left_on_the_platform(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(house, partner, ref, "terminate")
    house.clock.advance(days=13, hours=23)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "terminated"
    house.clock.advance(hours=2)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "deleted"
    with pytest.raises(NotFound):
        await vm_of(house, partner, ref)
    assert await house.count("platforms", "vms_used = 0 AND disk_gib_used = 0") == 1
    refused = await partner.send(f"/services/{ref}/restore", {"renew": True})
    assert refused.json()["code"] == "wrong_state"
    assert (await house.events(partner.id))[-1][1] == "service.deleted"


async def test_restore_within_the_retention_brings_it_back_running(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(house, partner, ref, "terminate")
    house.clock.advance(days=3)
    await tell(house, partner, ref, "restore")
    service = await partner.service(ref)
    assert (service["state"], service["power"], service["delete_at"]) == ("active", "running", None)
    house.clock.advance(days=20)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "active"
    house.clock.advance(days=9)
    await house.settle(partner.id)
    assert (await partner.service(ref))["suspensions"][0]["actor"] == "expired"


async def test_restore_after_the_term_needs_a_renewal_in_the_same_call(
    house: House, partner: Caller, ref: str
) -> None:
    house.clock.advance(days=30)
    await tell(house, partner, ref, "terminate")
    house.clock.advance(days=10)
    refused = await tell(house, partner, ref, "restore")
    assert refused.json()["code"] == "wrong_state"
    before = (await house.balance(partner.id)).balance
    await tell(house, partner, ref, "restore", renew=True)
    service = await partner.service(ref)
    assert (service["state"], service["suspensions"]) == ("active", [])
    assert (await house.balance(partner.id)).balance == before - 900
    assert (await house.balance(partner.id)).held == 0


async def quote_renewal(partner: Caller, ref: str) -> tuple[str, str]:
    answer = await partner.http.post("/quotes", json={"kind": "renew", "service_ref": ref})
    assert answer.status_code == 200, answer.text
    return answer.json()["term_from"], answer.json()["term_to"]


async def test_term_of_a_late_restore_begins_with_it_and_the_next_ones_follow(
    house: House, partner: Caller
) -> None:
    body = house.order(period="hour")
    ref = body["service_ref"]
    await partner.send("/services", body)
    await house.settle(partner.id)
    await tell(house, partner, ref, "terminate")
    house.clock.advance(days=2)
    quoted = await quote_renewal(partner, ref)
    await tell(house, partner, ref, "restore", renew=True)
    assert quoted == ("2026-03-03T12:00:00Z", "2026-03-03T13:00:00Z")
    house.clock.advance(minutes=50)
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert (service["state"], service["paid_until"]) == ("active", quoted[1])
    assert service["activated_at"] == "2026-03-01T12:00:00Z"
    assert await quote_renewal(partner, ref) == (quoted[1], "2026-03-03T14:00:00Z")
    assert (await partner.send(f"/services/{ref}/renew", {"from": quoted[1]})).status_code == 202
    assert (await partner.service(ref))["paid_until"] == "2026-03-03T14:00:00Z"


async def test_term_that_ends_while_the_restore_is_held_up_begins_with_the_restore(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(house, partner, ref, "terminate")
    await partner.send(f"/services/{ref}/restore", {"renew": True})
    house.clock.advance(days=40)
    assert await quote_renewal(partner, ref) == ("2026-04-10T12:00:00Z", "2026-05-10T12:00:00Z")
    await house.settle(partner.id)
    assert (await partner.service(ref))["paid_until"] == "2026-05-10T12:00:00Z"


async def test_term_of_a_restore_in_time_follows_without_a_gap(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(house, partner, ref, "terminate")
    house.clock.advance(days=3)
    quoted = await quote_renewal(partner, ref)
    await tell(house, partner, ref, "restore", renew=True)
    assert quoted == (APRIL, MAY)
    assert (await partner.service(ref))["paid_until"] == MAY


async def test_restore_keeps_standing_suspensions(house: House, partner: Caller, ref: str) -> None:
    await tell(house, partner, ref, "suspend", actor="client")
    await tell(house, partner, ref, "terminate")
    await tell(house, partner, ref, "restore")
    service = await partner.service(ref)
    assert (service["state"], service["power"]) == ("suspended", "stopped")
    assert (await vm_of(house, partner, ref)).locked


async def test_two_restores_at_once_charge_one_renewal(
    house: House, partner: Caller, ref: str
) -> None:
    house.clock.advance(days=30)
    await tell(house, partner, ref, "terminate")
    house.clock.advance(days=3)
    wishes = (partner.send(f"/services/{ref}/restore", {"renew": True}) for _ in range(4))
    await asyncio.gather(*wishes)
    await house.settle(partner.id)
    assert await house.count("terms") == 2
    assert (await house.balance(partner.id)).held == 0


async def test_restore_is_refused_where_the_other_side_terminated(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(house, partner, ref, "terminate")
    async with house.runtime.staff.write() as session:
        from sqlalchemy import text  # noqa: PLC0415

        await session.execute(text("UPDATE services SET terminated_by = 'provider'"))
    refused = await partner.send(f"/services/{ref}/restore", {})
    assert refused.json()["code"] == "wrong_state"
    assert "other side" in refused.json()["detail"]


async def test_termination_at_the_end_of_the_term(house: House, partner: Caller, ref: str) -> None:
    answer = await tell(house, partner, ref, "terminate", when="period_end")
    assert answer.json()["state"] == "succeeded"
    service = await partner.service(ref)
    assert (service["state"], service["terminate_at"]) == ("active", APRIL)
    renewal = await partner.send(f"/services/{ref}/renew", {"from": APRIL})
    assert renewal.json()["code"] == "wrong_state"
    house.clock.advance(days=31, minutes=1)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "terminated"


async def test_scheduled_termination_is_taken_back_by_restore(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(house, partner, ref, "terminate", when="period_end")
    await tell(house, partner, ref, "restore")
    assert (await partner.service(ref))["terminate_at"] is None
    renewal = await partner.send(f"/services/{ref}/renew", {"from": APRIL})
    assert renewal.status_code == 202
    house.clock.advance(days=32)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "active"


async def test_terminate_before_it_was_built_costs_nothing_in_the_end_of_a_dead_platform(
    house: House, partner: Caller
) -> None:
    away = Fault(kind=FaultKind.UNAVAILABLE)
    await house.platform.set_behaviour(Behaviour(faults={"create_vm": away}))
    body = house.order()
    answer = await partner.send("/services", body)
    async with house.working():
        while (await partner.operation(answer))["state"] != "waiting":
            await asyncio.sleep(0.02)
    command = answer.json()["command_id"]
    cancelled = await partner.http.post(f"/commands/{command}/cancel")
    assert cancelled.json()["state"] == "cancelled"
    balance = await house.balance(partner.id)
    assert (balance.balance, balance.held) == (1_000_000, 0)
    assert (await partner.service(body["service_ref"]))["state"] == "failed"
    await house.settle(partner.id)
    assert await house.count("simulated_vms", "NOT deleted") == 0


async def test_terminating_twice_succeeds_without_work(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(house, partner, ref, "terminate")
    again = await tell(house, partner, ref, "terminate")
    assert (again.status_code, again.json()["state"]) == (202, "succeeded")
    assert again.json()["started_at"] is not None


async def test_account_is_closed_only_when_no_service_is_left(
    house: House, partner: Caller
) -> None:
    body = house.order()
    await partner.send("/services", body)
    await house.settle(partner.id)
    path = f"/accounts/{body['client_ref']}"
    assert (await partner.http.delete(path)).json()["code"] == "account_in_use"
    await tell(house, partner, body["service_ref"], "terminate")
    house.clock.advance(days=15)
    await house.settle(partner.id)
    assert (await partner.http.delete(path)).status_code == 204
    await house.settle(partner.id)
    assert await house.count("simulated_users") == 0
    assert (await partner.http.get(path)).status_code == 404
    other = house.order(client_ref=body["client_ref"])
    assert (await partner.send("/services", other)).status_code == 202
    await house.settle(partner.id)
    assert (await partner.service(other["service_ref"]))["state"] == "active"
    assert (await partner.http.delete(f"/accounts/{uuid4()}")).status_code == 404
