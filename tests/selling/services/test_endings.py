"""Terminations, restores, renewals and debts that meet each other."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from selling_service.ledger.models import BOOKS
from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from selling_service.services import queries
from selling_service.services.actions import terminate as actions
from selling_service.services.actions.operations import Wish
from selling_service.services.rules import Side
from shared.contract.basics import Actor, TerminateWhen
from shared.kit.bookkeeping import Posting
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue
from tests.selling.services.house import Caller, House, wait_until

APRIL = "2026-04-01T12:00:00Z"


@pytest.fixture
async def ref(house: House, partner: Caller) -> str:
    """The service_ref of a service that is paid until April."""
    return await sold(house, partner)


async def sold(house: House, partner: Caller) -> str:
    body = house.order()
    await partner.send("/services", body)
    await house.settle(partner.id)
    return str(body["service_ref"])


async def tell(partner: Caller, ref: str, verb: str, **body: Any) -> Any:
    return await partner.send(f"/services/{ref}/{verb}", body)


async def terminate_as_provider(house: House, ref: str, when: TerminateWhen) -> None:
    async with house.runtime.staff.write() as session:
        service = await queries.find_service(session, None, service_ref=UUID(ref), lock=True)
        assert service is not None
        wish = Wish(actor=Actor.PROVIDER)
        await actions.terminate(session, service, when=when, side=Side.PROVIDER, wish=wish)


async def test_what_the_provider_scheduled_is_not_the_partners_to_take_back(
    house: House, partner: Caller, ref: str
) -> None:
    await terminate_as_provider(house, ref, TerminateWhen.PERIOD_END)
    refused = await tell(partner, ref, "restore")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    await tell(partner, ref, "terminate", when="period_end")
    assert (await tell(partner, ref, "restore")).json()["code"] == "wrong_state"
    assert (await partner.service(ref))["terminate_at"] == APRIL
    await tell(partner, ref, "terminate")
    await house.settle(partner.id)
    assert (await tell(partner, ref, "restore")).json()["code"] == "wrong_state"


async def test_scheduled_termination_by_the_provider_stays_the_providers(
    house: House, partner: Caller, ref: str
) -> None:
    await terminate_as_provider(house, ref, TerminateWhen.PERIOD_END)
    house.clock.advance(days=31, minutes=1)
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "terminated"
    refused = await tell(partner, ref, "restore", renew=True)
    assert "other side" in refused.json()["detail"]


async def test_scheduled_termination_is_taken_back_while_something_else_is_pending(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(partner, ref, "terminate", when="period_end")
    await tell(partner, ref, "stop")
    answer = await tell(partner, ref, "restore")
    assert (answer.status_code, answer.json().get("state")) == (202, "succeeded")
    assert (await partner.service(ref))["terminate_at"] is None


async def test_restore_is_accepted_behind_a_termination_that_is_not_finished(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(partner, ref, "terminate")
    answer = await tell(partner, ref, "restore")
    assert answer.json().get("state") == "queued"
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert (service["state"], service["power"], service["delete_at"]) == ("active", "running", None)


async def test_the_last_of_restore_terminate_restore_counts(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(partner, ref, "terminate")
    await house.settle(partner.id)
    for verb in ("restore", "terminate", "restore"):
        assert (await tell(partner, ref, verb)).json()["state"] == "queued"
    await house.settle(partner.id)
    assert (await partner.service(ref))["state"] == "active"
    assert await house.count("jobs", "kind = 'service_delete_due'") == 0


async def test_service_that_was_never_active_cannot_be_restored(
    house: House, partner: Caller
) -> None:
    body = house.order()
    await partner.send("/services", body)
    await tell(partner, body["service_ref"], "terminate")
    refused = await tell(partner, body["service_ref"], "restore", renew=True)
    assert refused.json()["code"] == "wrong_state"


@pytest.mark.parametrize("verbs", [["terminate"], ["terminate", "restore"]])
async def test_no_term_is_sold_while_an_ending_or_restore_is_on_its_way(
    house: House, partner: Caller, ref: str, verbs: list[str]
) -> None:
    for verb in verbs:
        await tell(partner, ref, verb)
    refused = await tell(partner, ref, "renew", **{"from": APRIL})
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    assert await house.count("terms") == 1


async def test_suspend_accepted_behind_a_restore_succeeds_and_stands(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(partner, ref, "terminate")
    await house.settle(partner.id)
    await tell(partner, ref, "restore")
    answer = await tell(partner, ref, "suspend", actor="client")
    await house.settle(partner.id)
    assert (await partner.operation(answer))["state"] == "succeeded"
    service = await partner.service(ref)
    assert (service["state"], service["power"]) == ("suspended", "stopped")


async def test_late_restore_with_renewal_tells_of_the_resume_that_follows(
    house: House, partner: Caller, ref: str
) -> None:
    house.clock.advance(days=32)
    await house.settle(partner.id)
    await tell(partner, ref, "terminate")
    await house.settle(partner.id)
    await tell(partner, ref, "restore", renew=True)
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert (service["state"], service["power"]) == ("active", "running")
    types = [type_ for _, type_ in await house.events(partner.id)]
    assert types[-3:] == ["service.restored", "operation.accepted", "service.resumed"]


async def owe(house: House, partner: Caller, amount: int) -> None:
    """Let the partner owe this much, without any credit."""
    async with house.runtime.staff.write() as session:
        balance = (await BOOKS.balance(session, owner=partner.id)).balance
        await BOOKS.set_credit_limit(session, owner=partner.id, credit_limit=10**9)
        posting = Posting(kind="fee", text="Fee", reference=new_id())
        if balance + amount > 0:
            await BOOKS.charge(session, owner=partner.id, amount=balance + amount, posting=posting)
        else:
            top_up = -amount - balance
            await BOOKS.top_up(session, owner=partner.id, amount=top_up, posting=posting)
        await BOOKS.set_credit_limit(session, owner=partner.id, credit_limit=0)
        await look_at_debt(session, partner)


async def look_at_debt(session: Any, partner: Caller) -> None:
    await enqueue(
        session,
        "partner_debt",
        payload={"partner_id": partner.id},
        tenant_id=partner.id,
        dedupe_key=f"partner_debt:{partner.id}",
    )


async def test_one_service_that_is_ending_does_not_keep_the_others_suspended_after_payment(
    house: House, partner: Caller, ref: str
) -> None:
    other = await sold(house, partner)
    await owe(house, partner, 100)
    await house.settle(partner.id)
    away = Fault(kind=FaultKind.UNAVAILABLE)
    await house.platform.set_behaviour(Behaviour(faults={"rename_vm": away}))
    await tell(partner, ref, "rename", hostname="held-up.example.com")
    await tell(partner, ref, "terminate")
    await owe(house, partner, -100)

    async def resumed() -> bool:
        house.clock.advance(seconds=1)
        looked = not await house.count("jobs", "kind = 'partner_debt'")
        return looked and bool((await partner.service(other))["state"] == "active")

    async with house.working():
        await wait_until(resumed)


async def test_restored_service_of_a_partner_in_debt_is_suspended(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(partner, ref, "terminate")
    await house.settle(partner.id)
    await owe(house, partner, 100)
    await house.settle(partner.id)
    await tell(partner, ref, "restore")
    await house.settle(partner.id)
    actors = [item["actor"] for item in (await partner.service(ref))["suspensions"]]
    assert actors == ["partner_debt"]


async def test_debt_paid_while_a_service_was_terminated_is_gone_when_it_is_restored(
    house: House, partner: Caller, ref: str
) -> None:
    await owe(house, partner, 100)
    await house.settle(partner.id)
    await tell(partner, ref, "terminate")
    await house.settle(partner.id)
    await owe(house, partner, -100)
    await house.settle(partner.id)
    await tell(partner, ref, "restore")
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert (service["state"], service["suspensions"]) == ("active", [])


async def test_clocks_that_fail_for_long_do_not_die(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(partner, ref, "terminate", when="period_end")
    clocks = "kind IN ('service_expire', 'service_terminate_due')"
    assert await house.count("jobs", clocks) == 2
    assert await house.count("jobs", f"{clocks} AND max_attempts > 100000") == 2


async def test_blocked_partner_makes_and_closes_no_accounts_but_may_cancel(
    house: House, partner: Caller
) -> None:
    body, key = house.order(), uuid4()
    await partner.send("/services", body, key=key)
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE partners SET state = 'blocked'"))
    for answer in (
        await partner.http.put(f"/accounts/{uuid4()}"),
        await partner.http.delete(f"/accounts/{body['client_ref']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "partner_blocked")
        assert answer.json()["outcome"] is None
    cancelled = await partner.http.post(f"/commands/{key}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")


async def test_ending_that_came_to_nothing_leaves_term_and_debt_to_the_clock_again(
    house: House, partner: Caller, ref: str
) -> None:
    away = Fault(kind=FaultKind.UNAVAILABLE)
    await house.platform.set_behaviour(Behaviour(faults={"rename_vm": away}))
    await tell(partner, ref, "rename", hostname="held-up.example.com")
    ending = await tell(partner, ref, "terminate")
    await tell(partner, ref, "restore", renew=True)
    await owe(house, partner, 100)
    house.clock.advance(days=40)

    async def looked() -> bool:
        due = "kind IN ('partner_debt', 'service_expire')"
        return not await house.count("jobs", due)

    async with house.working():
        await wait_until(looked)
    assert (await partner.service(ref))["suspensions"] == []
    await partner.http.post(f"/commands/{ending.json()['command_id']}/cancel")
    await house.platform.set_behaviour(Behaviour())
    house.clock.advance(hours=1)
    await house.settle(partner.id)
    actors = {item["actor"] for item in (await partner.service(ref))["suspensions"]}
    assert actors == {"expired", "partner_debt"}
    assert (await house.balance(partner.id)).held == 0


async def test_what_was_accepted_behind_a_restore_that_failed_is_superseded(
    house: House, partner: Caller, ref: str
) -> None:
    await tell(partner, ref, "terminate")
    await house.settle(partner.id)
    refusing = Fault(kind=FaultKind.REFUSED, times=1)
    await house.platform.set_behaviour(Behaviour(faults={"unlock_vm": refusing}))
    await tell(partner, ref, "restore")
    stopped, started = await tell(partner, ref, "stop"), await tell(partner, ref, "start")
    await house.settle(partner.id)
    for answer in (stopped, started):
        assert (await partner.operation(answer))["state"] == "superseded"
    assert (await partner.service(ref))["state"] == "terminated"
    assert await house.count("simulated_vms", "locked AND power = 'stopped'") == 1
