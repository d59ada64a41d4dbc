"""What the provider's staff do over HTTP: terminate, restore, retry; each written down."""

from typing import Any

import httpx
from sqlalchemy import text

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


async def test_staff_restore_without_a_renewal_costs_nothing(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    before = (await house.balance(partner.id)).balance
    for body in ({}, {"renew": False}):
        await tell(house, desk, "terminate", {})
        assert (await tell(house, desk, "restore", body)).status_code == 202
        assert (await partner.service(ref))["state"] == "active"
    assert (await house.balance(partner.id)).balance == before
