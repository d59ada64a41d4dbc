"""What the provider's staff do over HTTP: terminate, restore, retry; each written down."""

from typing import Any

import httpx
from sqlalchemy import text

from selling_service.provisioning.drivers.simulated import FaultKind
from tests.selling.services.faults import break_calls, finish
from tests.selling.services.house import Caller, House

RENEWAL = 900


async def tell(house: House, desk: httpx.AsyncClient, verb: str, body: Any = None) -> Any:
    """The answer to a command on the only service, once it has been carried out."""
    (service,) = (await desk.get("/services")).json()["items"]
    answer = await desk.post(f"/services/{service['id']}/{verb}", json=body)
    async with house.working():
        await house.wait(service["partner_id"])
    return answer


async def audited(house: House, action: str) -> Any:
    """Before and after, as the newest audit entry of this action tells them."""
    statement = "SELECT before, after FROM audit_entries WHERE action = :action ORDER BY id DESC"
    async with house.runtime.staff.read() as session:
        row = (await session.execute(text(statement), {"action": action})).first()
    assert row is not None
    return tuple(row)


async def test_staff_restore_what_they_terminated_after_its_term_for_the_partners_money(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    await tell(house, desk, "terminate", {})
    house.clock.advance(days=31)
    desk = await house.as_staff()  # the first session is over by now
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE services SET delete_at = delete_at + interval '1 y'"))
    refused = await tell(house, desk, "restore", {})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    before = (await house.balance(partner.id)).balance
    answer = await tell(house, desk, "restore", {"renew": True})
    assert answer.status_code == 202
    service = await partner.service(ref)
    assert (service["state"], service["suspensions"]) == ("active", [])
    balance = await house.balance(partner.id)
    assert (balance.balance, balance.held) == (before - RENEWAL, 0)
    assert (await audited(house, "service.restore"))[1] == {"renew": True}


async def test_staff_end_what_the_partner_has_ended_and_the_audit_tells_whose_it_was(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    await partner.send(f"/services/{ref}/terminate", {})
    await house.settle(partner.id)
    assert (await tell(house, desk, "terminate", {})).json()["state"] == "succeeded"
    assert await audited(house, "service.terminate") == (
        {"state": "terminated", "terminated_by": "partner"},
        {"when": "now", "side": "provider"},
    )
    refused = await partner.send(f"/services/{ref}/restore", {})
    assert refused.json()["code"] == "wrong_state"
    assert (await tell(house, desk, "restore", {})).status_code == 202
    assert (await partner.service(ref))["state"] == "active"


async def test_partner_cannot_take_back_an_end_that_staff_want_too(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    answer = await partner.send(f"/services/{ref}/terminate", {})
    (service,) = (await desk.get("/services")).json()["items"]
    ended = await desk.post(f"/services/{service['id']}/terminate", json={})
    assert ended.json()["state"] == "queued"
    assert (await partner.send(f"/services/{ref}/restore", {})).json()["code"] == "wrong_state"
    command_id = answer.json()["command_id"]
    assert (await partner.http.post(f"/commands/{command_id}/cancel")).status_code == 200
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "terminated"
    assert (await partner.send(f"/services/{ref}/restore", {})).json()["code"] == "wrong_state"


async def test_partner_ending_what_staff_are_restoring_gets_no_right_to_restore_it(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    await tell(house, desk, "terminate", {})
    (service,) = (await desk.get("/services")).json()["items"]
    await break_calls(house, "unlock_vm", FaultKind.REFUSED)
    await desk.post(f"/services/{service['id']}/restore", json={})
    path = f"/services/{ref}"
    scheduled = await partner.send(f"{path}/terminate", {"when": "period_end"})
    assert scheduled.json()["code"] == "wrong_state"
    assert (await partner.send(f"{path}/terminate", {})).json()["state"] == "queued"
    assert (await partner.send(f"{path}/restore", {})).json()["code"] == "wrong_state"
    await finish(house)
    assert (await partner.service(ref))["state"] == "terminated"
    assert (await partner.send(f"{path}/restore", {})).json()["code"] == "wrong_state"


async def test_staff_restore_without_a_renewal_costs_nothing(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    before = (await house.balance(partner.id)).balance
    for body in ({}, {"renew": False}):
        await tell(house, desk, "terminate", {})
        assert (await tell(house, desk, "restore", body)).status_code == 202
        assert (await partner.service(ref))["state"] == "active"
    assert (await house.balance(partner.id)).balance == before
