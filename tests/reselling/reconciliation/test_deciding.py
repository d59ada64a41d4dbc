"""A service that both sides know differently: what a decision sends, wants and gives up."""

import asyncio
from typing import Any

import pytest

from reselling_service.services import actions
from reselling_service.services.models import Service
from reselling_service.services.rules import Cause
from shared.contract.basics import SuspensionReason, TerminateWhen
from shared.kit.reconciling.keeping import DECISION_TAKES
from tests.reselling.reconciliation.pair import Pair
from tests.reselling.services.shop import BY_STAFF, PRICE, SETUP, execute
from tests.reselling.services.voice import MONTH, Voice

UNDER_WAY = "A command of this service is under way."


async def lost(pair: Pair) -> Service:
    """A service that its seller has forgotten, with all that belongs to it."""
    service, _voice = await pair.built()
    pair.forgets(service)
    return service


async def suspended_here(pair: Pair) -> tuple[Service, Voice]:
    """A service that staff have suspended, and that its seller has forgotten to suspend."""
    service, voice = await pair.built()
    await pair.shop.wish(
        service,
        actions.suspend,
        BY_STAFF,
        cause=Cause.STAFF,
        reason=SuspensionReason.ABUSE,
    )
    await pair.end(service, "succeeded")
    return service, voice


async def cancelled_here(pair: Pair) -> tuple[Service, Voice]:
    """An order that was cancelled here, and that its seller, restored since, has carried out."""
    service = await pair.shop.order()
    voice = pair.shop.voice(service)
    (order,) = await pair.shop.open_commands(service)
    await pair.shop.refuse(order, "cancelled")
    pair.seller.knows(order.id, kind="order", service_ref=service.service_ref)
    line = pair.seller.charge(service.service_ref, command_id=order.id, kind="order", amount=801)
    event = voice.says(
        "service.activated", command=order, state="active", power="running", paid_until=None
    )
    assert event.operation is not None
    told = event.operation.model_copy(update={"result": {"charged": line["amount"]}})
    await pair.shop.hear(event.model_copy(update={"operation": told}))
    service = await pair.shop.service(service.id)
    pair.show(service)
    return service, voice


async def the(pair: Pair, kind: str) -> Any:
    """Compare; the open difference of this kind."""
    await pair.compare()
    (row,) = [each for each in await pair.found() if each["kind"] == kind]
    return row


# ------------------------------------------------------------------------------ unknown there


async def test_lost_service_is_ordered_again_and_the_client_pays_nothing(pair: Pair) -> None:
    service = await lost(pair)
    entries, holds = await pair.entries(), await pair.shop.holds()
    row = await pair.differs("unknown_there")
    await pair.decided(row, "adopt", state="decided")
    kind, summary, body = await pair.last_command(service)
    assert (kind, body["service_ref"], body["again"]) == ("order", str(service.service_ref), True)
    assert body["max_price"] == {"amount": 801, "currency": "EUR"}
    assert body["options"]["hostname"] == "web-1.example.com"
    assert "again" in summary
    assert (await pair.entries(), await pair.shop.holds()) == (entries, holds)
    # While it is under way nothing is judged, and nothing is gone.
    await pair.compare()
    assert await pair.kinds() == []
    assert await pair.kinds(state="decided") == ["unknown_there"]


async def test_order_again_that_was_refused_comes_back_to_the_desk(pair: Pair) -> None:
    service = await lost(pair)
    row = await pair.differs("unknown_there")
    await pair.decided(row, "adopt", state="decided")
    (order,) = await pair.shop.open_commands(service)
    await pair.shop.refuse(order, "out_of_stock")
    await pair.age(DECISION_TAKES)
    await pair.compare()
    (again,) = await pair.found()
    assert (again["id"], again["decision"], again["decided_at"]) == (row["id"], None, None)
    assert (await pair.shop.service(service.id)).wanted_life == "active"
    desk = await pair.house.owner.get("/staff/v1/desk", params={"kind": "difference"})
    assert [item["id"] for item in desk["items"]] == [row["id"]]
    assert (await pair.decide(again, "adopt")).status_code == 200
    assert await pair.shop.commands(service) == ["order"] * 3


async def test_lost_service_is_given_up_and_then_the_client_gets_the_money_back(pair: Pair) -> None:
    service = await lost(pair)
    before = await pair.shop.available()
    row = await pair.differs("unknown_there")
    await pair.decided(row, "undo", state="gone")
    service = await pair.shop.service(service.id)
    assert (service.wanted_life, service.order_problem) == ("cancelled", "lost_at_seller")
    assert service.auto_renew is False
    assert await pair.shop.due_at(service) is None
    assert await pair.shop.commands(service) == ["order"]
    assert await pair.shop.available() == before
    row = await pair.differs("charge_unknown_there")
    assert row["ways"] == ["undo", "ignore"]
    await pair.refused(row, "adopt", "not_decidable")
    await pair.decided(row, "undo", state="gone")
    assert await pair.shop.available() == before + PRICE + SETUP
    assert (await pair.entries())[-1] == ("correction", PRICE + SETUP)
    assert await pair.charges(service.service_ref) == []
    await pair.compare()
    assert await pair.found() == []


async def test_what_has_ended_here_and_is_unknown_there_is_compared_no_more(pair: Pair) -> None:
    service, voice = await pair.built()
    await pair.shop.hear(voice.says("service.deleted", state="deleted", power="stopped"))
    pair.forgets(service)
    await pair.compare()
    (row,) = await pair.found(state="gone")
    assert (row["kind"], row["ways"]) == ("ended_unknown_there", ["ignore"])
    await pair.refused(row, "ignore", "not_decidable")
    await pair.compare()
    assert (await pair.kinds(), len(await pair.found(state="gone"))) == ([], 1)
    assert await pair.charges(service.service_ref) == []


@pytest.mark.parametrize("way", ["adopt", "undo"])
async def test_lost_service_is_left_while_a_command_of_it_is_under_way(
    pair: Pair, way: str
) -> None:
    service = await lost(pair)
    row = await pair.differs("unknown_there")
    await pair.shop.wish(service, actions.stop)
    assert UNDER_WAY in await pair.refused(row, way, "not_decidable")
    await pair.end(service, "refused")
    assert (await pair.decide(row, way)).status_code == 200


@pytest.mark.parametrize("way", ["adopt", "undo"])
async def test_lost_service_of_which_the_seller_speaks_again_is_left(pair: Pair, way: str) -> None:
    service, voice = await pair.built()
    pair.forgets(service)
    row = await pair.differs("unknown_there")
    pair.shop.clock.advance(MONTH)
    await pair.shop.hear(voice.says("service.stopped", power="stopped"))
    assert "has spoken of it since" in await pair.refused(row, way, "not_decidable")


async def test_lost_service_without_an_order_can_only_be_given_up(pair: Pair) -> None:
    service = await lost(pair)
    row = await pair.differs("unknown_there")
    await execute(pair.shop, "UPDATE commands SET kind = 'rename'")
    assert "Nothing is known of its order" in await pair.refused(row, "adopt", "not_decidable")
    await pair.decided(row, "undo", state="gone")
    assert (await pair.shop.service(service.id)).wanted_life == "cancelled"


# ------------------------------------------------------------------------------ not as wanted


async def test_forgotten_suspension_is_sent_again_as_it_was_wished(pair: Pair) -> None:
    service, _voice = await suspended_here(pair)
    row = await pair.differs("not_as_wanted")
    assert row["refs"]["wish"] == "partner_suspension"
    await pair.decided(row, "undo", state="decided")
    kind, summary, body = await pair.last_command(service)
    assert (kind, body) == ("suspend", {"actor": "partner", "reason": "abuse"})
    assert "again" in summary
    assert await pair.shop.causes(service) == {"staff"}


async def test_suspension_that_only_the_seller_has_is_lifted_though_the_last_wish_set_it(
    pair: Pair,
) -> None:
    service, voice = await suspended_here(pair)
    row = await pair.differs("not_as_wanted")
    await pair.decided(row, "adopt", state="gone")
    assert await pair.shop.causes(service) == set()
    told = voice.says(
        "service.suspended", state="suspended", power="stopped", suspensions={"partner": "abuse"}
    )
    await pair.shop.hear(told)
    pair.show(await pair.shop.service(service.id))
    row = await pair.differs("not_as_wanted")
    await pair.decided(row, "undo", state="decided")
    kind, _summary, body = await pair.last_command(service)
    assert (kind, body) == ("resume", {"actor": "partner"})


async def test_suspension_is_wanted_as_it_was_heard(pair: Pair) -> None:
    service, _voice = await suspended_here(pair)
    row = await pair.differs("not_as_wanted")
    await pair.decided(row, "adopt", state="gone")
    assert await pair.shop.causes(service) == set()
    assert await pair.shop.commands(service) == ["order", "suspend partner"]
    assert await pair.shop.agrees(service)
    await pair.compare()
    assert await pair.found() == []


@pytest.mark.parametrize("when", list(TerminateWhen))
async def test_forgotten_end_is_sent_again(pair: Pair, when: TerminateWhen) -> None:
    service, _voice = await pair.built()
    await pair.shop.wish(service, actions.terminate, BY_STAFF, when=when)
    await pair.end(service, "succeeded")
    row = await pair.differs("not_as_wanted")
    await pair.decided(row, "undo", state="decided")
    kind, _summary, body = await pair.last_command(service)
    assert (kind, body) == ("terminate", {"when": when})
    assert (await pair.shop.service(service.id)).wanted_life == "terminated"


async def test_end_that_only_the_provider_wished_is_taken_over_and_never_undone(
    pair: Pair,
) -> None:
    service, voice = await pair.built()
    ended = voice.says("service.terminated", state="terminated", power="stopped")
    await pair.shop.hear(ended)
    pair.show(await pair.shop.service(service.id))
    row = await pair.differs("not_as_wanted")
    assert row["refs"]["wish"] == "life"
    assert "never wished" in await pair.refused(row, "undo", "not_decidable")
    await pair.decided(row, "adopt", state="gone")
    assert (await pair.shop.service(service.id)).wanted_life == "terminated"
    assert await pair.shop.agrees(service)


@pytest.mark.parametrize("way", ["adopt", "undo"])
async def test_wish_that_came_meanwhile_is_not_overruled(pair: Pair, way: str) -> None:
    service, _voice = await suspended_here(pair)
    row = await pair.differs("not_as_wanted")
    await pair.shop.wish(service, actions.resume, BY_STAFF, cause=Cause.STAFF)
    assert UNDER_WAY in await pair.refused(row, way, "not_decidable")
    await pair.end(service, "succeeded")
    assert "as wanted by now" in await pair.refused(row, way, "not_decidable")


async def test_two_who_send_again_at_once_send_once(pair: Pair) -> None:
    service, _voice = await suspended_here(pair)
    row = await pair.differs("not_as_wanted")
    answers = await asyncio.gather(*(pair.decide(row, "undo") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert await pair.shop.commands(service) == ["order", "suspend partner", "suspend partner"]


async def test_two_who_decide_differently_at_once_decide_one_way(pair: Pair) -> None:
    service, _voice = await suspended_here(pair)
    row = await pair.differs("not_as_wanted")
    ways = ("adopt", "undo")
    answers = await asyncio.gather(*(pair.decide(row, way) for way in ways))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    won = next(way for way, answer in zip(ways, answers, strict=True) if answer.is_success)
    assert (await pair.row(row))["decision"] == won
    assert await pair.shop.causes(service) == (set() if won == "adopt" else {"staff"})
    assert len(await pair.shop.commands(service)) == (2 if won == "adopt" else 3)


# ------------------------------------------------------------------------ cancelled but lives


async def test_cancelled_order_that_lives_is_kept_and_then_paid_for(pair: Pair) -> None:
    service, _voice = await cancelled_here(pair)
    before = await pair.shop.available()
    row = await the(pair, "cancelled_but_lives")
    await pair.decided(row, "adopt", state="gone")
    service = await pair.shop.service(service.id)
    assert (service.wanted_life, service.order_problem) == ("active", None)
    assert await pair.shop.available() == before
    # The seller has charged us for it, and the client got the money back with the cancellation.
    row = await pair.differs("charge_unknown_here")
    assert row["safe"] is False
    await pair.decided(row, "adopt", state="gone")
    assert before - await pair.shop.available() == PRICE + SETUP
    await pair.compare()
    assert await pair.found() == []


async def test_cancelled_order_that_lives_is_ended(pair: Pair) -> None:
    service, _voice = await cancelled_here(pair)
    before = await pair.entries()
    row = await the(pair, "cancelled_but_lives")
    await pair.decided(row, "undo", state="decided")
    kind, _summary, body = await pair.last_command(service)
    assert (kind, body) == ("terminate", {"when": "now"})
    service = await pair.shop.service(service.id)
    assert (service.wanted_life, service.terminated_by) == ("terminated", "staff")
    assert await pair.entries() == before


@pytest.mark.parametrize("way", ["adopt", "undo"])
async def test_cancelled_order_that_has_ended_there_meanwhile_is_left(pair: Pair, way: str) -> None:
    _service, voice = await cancelled_here(pair)
    row = await the(pair, "cancelled_but_lives")
    await pair.shop.hear(voice.says("service.terminated", state="terminated", power="stopped"))
    assert "live there any more" in await pair.refused(row, way, "not_decidable")


# -------------------------------------------------------------------------- what can't be done


async def test_what_is_repaired_by_reading_again_offers_nothing_to_decide(pair: Pair) -> None:
    _service, _voice = await pair.built(revision=2, power="stopped")
    await pair.compare()
    (row,) = await pair.found(state="gone")
    assert (row["kind"], row["ways"]) == ("heard_other", ["ignore"])
    assert "is gone" in await pair.refused(row, "adopt", "not_decidable")
    await execute(pair.shop, "UPDATE reconciliation_differences SET gone_at = NULL")
    for way in ("adopt", "undo"):
        assert "take: ignore" in await pair.refused(row, way, "not_decidable")


async def test_reason_is_needed(pair: Pair) -> None:
    await suspended_here(pair)
    row = await pair.differs("not_as_wanted")
    for way in ("adopt", "undo", "ignore"):
        answer = await pair.decide(row, way, reason="")
        assert answer.json()["code"] == "invalid_request"
    assert await pair.row(row) == row


async def test_books_that_contradict_themselves_can_only_be_ignored(pair: Pair) -> None:
    await pair.built()
    await execute(pair.shop, "UPDATE balances SET balance = balance + 7")
    row = await pair.differs("books_balance")
    for way in ("adopt", "undo"):
        assert "take: ignore" in await pair.refused(row, way, "not_decidable")
    assert (await pair.decide(row, "ignore")).json()["state"] == "ignored"
