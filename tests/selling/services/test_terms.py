"""Terms: renewed without a gap and charged once; over, the service is suspended by the clock."""

import asyncio
from typing import Any
from uuid import uuid4

from selling_service.ledger.models import BOOKS
from shared.kit.bookkeeping import Posting
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue
from tests.selling.services.house import Caller, House, vm_of

APRIL, MAY = "2026-04-01T12:00:00Z", "2026-05-01T12:00:00Z"
RENEWAL = 900


async def renew(partner: Caller, ref: str, since: str, **more: Any) -> Any:
    return await partner.send(f"/services/{ref}/renew", {"from": since, **more})


async def pass_time(house: House, partner: Caller, **by: float) -> None:
    """Let the clock run and the worker follow."""
    house.clock.advance(**by)
    await house.settle(partner.id)


async def test_renewal_prolongs_and_charges(house: House, partner: Caller, ref: str) -> None:
    before = (await house.balance(partner.id)).balance
    answer = await renew(partner, ref, APRIL)
    assert (answer.status_code, answer.json()["state"]) == (202, "succeeded")
    assert (await partner.service(ref))["paid_until"] == MAY
    assert (await house.balance(partner.id)).balance == before - RENEWAL


async def test_two_renewals_of_one_term_charge_once(
    house: House, partner: Caller, ref: str
) -> None:
    answers = await asyncio.gather(*(renew(partner, ref, APRIL) for _ in range(5)))
    codes = [answer.json().get("code") for answer in answers]
    assert sorted(codes, key=str) == [None, *["term_moved"] * 4]
    assert await house.count("terms") == 2


async def test_term_at_the_end_of_a_month_comes_back_to_its_day(
    house: House, partner: Caller
) -> None:
    house.clock.advance(days=30)
    body = house.order()
    await partner.send("/services", body)
    await house.settle(partner.id)
    ref = body["service_ref"]
    assert (await partner.service(ref))["paid_until"] == "2026-04-30T12:00:00Z"
    await renew(partner, ref, "2026-04-30T12:00:00Z")
    assert (await partner.service(ref))["paid_until"] == "2026-05-31T12:00:00Z"


async def test_renewal_above_max_price_or_without_money_changes_nothing(
    house: House, partner: Caller, ref: str
) -> None:
    most = {"amount": RENEWAL - 1, "currency": "EUR"}
    answer = await renew(partner, ref, APRIL, max_price=most)
    assert answer.json()["code"] == "price_above_max"
    async with house.runtime.staff.write() as session:
        balance = (await BOOKS.balance(session, owner=partner.id)).balance
        posting = Posting(kind="correction", text="Out", reference=new_id())
        await BOOKS.top_up(session, owner=partner.id, amount=-balance, posting=posting)
    answer = await renew(partner, ref, APRIL)
    assert (answer.status_code, answer.json()["code"]) == (402, "insufficient_balance")
    assert (await partner.service(ref))["paid_until"] == APRIL
    assert await house.count("terms") == 1


async def test_service_past_its_term_and_slack_is_suspended_as_expired(
    house: House, partner: Caller, ref: str
) -> None:
    await pass_time(house, partner, days=31)
    assert (await partner.service(ref))["state"] == "active"
    await pass_time(house, partner, minutes=14)
    assert (await partner.service(ref))["state"] == "active"
    await pass_time(house, partner, minutes=2)
    service = await partner.service(ref)
    assert service["state"] == "suspended"
    assert [item["actor"] for item in service["suspensions"]] == ["expired"]
    assert (await vm_of(house, partner, ref)).locked


async def test_late_renewal_resumes_and_leaves_no_gap(
    house: House, partner: Caller, ref: str
) -> None:
    await pass_time(house, partner, days=31, hours=1)
    assert (await partner.service(ref))["state"] == "suspended"
    await renew(partner, ref, APRIL)
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert (service["state"], service["power"], service["paid_until"]) == ("active", "running", MAY)


async def test_renewal_that_is_still_in_the_past_does_not_resume(
    house: House, partner: Caller, ref: str
) -> None:
    await pass_time(house, partner, days=80)
    await renew(partner, ref, APRIL)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "suspended"
    await renew(partner, ref, MAY)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "active"


async def test_renewal_of_an_expired_service_leaves_others_suspensions(
    house: House, partner: Caller, ref: str
) -> None:
    await partner.send(f"/services/{ref}/suspend", {"actor": "client"})
    await pass_time(house, partner, days=31, hours=1)
    await renew(partner, ref, APRIL)
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert service["state"] == "suspended"
    assert [item["actor"] for item in service["suspensions"]] == ["client"]


async def test_renewal_before_the_clock_decides_wins(
    house: House, partner: Caller, ref: str
) -> None:
    house.clock.advance(days=31, hours=1)
    await renew(partner, ref, APRIL)
    await house.settle(partner.id)
    assert (await partner.service(ref))["suspensions"] == []


async def test_quote_says_what_the_commands_charge(house: House, partner: Caller, ref: str) -> None:
    order = {"kind": "order", "tariff_id": str(house.tariff_id), "tariff_version": 1}
    quoted = (await partner.http.post("/quotes", json=order | {"period": "month"})).json()
    assert quoted["total"] == {"amount": 1080, "currency": "EUR"}
    assert [line["amount"]["amount"] for line in quoted["lines"]] == [900, 180]
    renewal = await partner.http.post("/quotes", json={"kind": "renew", "service_ref": ref})
    assert (renewal.json()["total"]["amount"], renewal.json()["term_to"]) == (RENEWAL, MAY)
    unknown = await partner.http.post(
        "/quotes", json={"kind": "renew", "service_ref": str(uuid4())}
    )
    assert unknown.status_code == 404


async def test_debt_suspends_all_services_and_payment_resumes_them(
    house: House, partner: Caller, ref: str
) -> None:
    async def allow(credit: int) -> None:
        async with house.runtime.staff.write() as session:
            await BOOKS.set_credit_limit(session, owner=partner.id, credit_limit=credit)
            payload = {"partner_id": partner.id}
            await enqueue(session, "partner_debt", payload=payload, tenant_id=partner.id)

    await allow(2_000_000)
    async with house.runtime.staff.write() as session:
        posting = Posting(kind="fee", text="Fee", reference=new_id())
        await BOOKS.charge(session, owner=partner.id, amount=2_000_000, posting=posting)
    await allow(0)
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert [item["actor"] for item in service["suspensions"]] == ["partner_debt"]
    assert (await vm_of(house, partner, ref)).locked
    refused = await partner.send(f"/services/{ref}/resume", {"actor": "partner"})
    assert refused.json()["code"] == "blocked_by_suspensions"
    await allow(2_000_000)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "active"


async def test_debt_that_a_capture_makes_is_followed(house: House) -> None:
    partner = await house.new_partner(money=0)
    async with house.runtime.staff.write() as session:
        await BOOKS.set_credit_limit(session, owner=partner.id, credit_limit=2000)
    body = house.order()
    await partner.send("/services", body)
    # The debt job of this change has been here and found nothing.
    async with house.runtime.staff.write() as session:
        await BOOKS.set_credit_limit(session, owner=partner.id, credit_limit=0)
    await house.settle(partner.id)
    assert (await house.balance(partner.id)).balance < 0
    service = await partner.service(body["service_ref"])
    assert [item["actor"] for item in service["suspensions"]] == ["partner_debt"]
    assert (await vm_of(house, partner, body["service_ref"])).locked
    await partner.http.aclose()
