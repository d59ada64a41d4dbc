"""Money that is negative, too much, of another country, or wanted twice at the same time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.attacks.world import World, problem
from tests.journeys.stack import OS

# The first of them makes the world.
pytestmark = [pytest.mark.timeout(300)]


def at_once(*wishes: Callable[[], httpx.Response]) -> list[httpx.Response]:
    with ThreadPoolExecutor(len(wishes)) as pool:
        running = [pool.submit(wish) for wish in wishes]
        return [one.result() for one in running]


def price(world: World) -> int:
    body = {
        "kind": "order",
        "tariff_id": world.mallory.tariff["id"],
        "tariff_version": 1,
        "period": "month",
    }
    answer = world.ask("POST", "/partner/v1/quotes", by=world.mallory, json=body)
    found: int = answer.json()["total"]["amount"]
    return found


@pytest.mark.parametrize("amount", [0, -1, 2**53, -(2**53), 1.5, "100", True, None])
def test_amount_that_is_zero_negative_overflowing_or_no_number(world: World, amount: Any) -> None:
    partner = f"/admin/v1/partners/{world.mallory.partner['id']}"
    body = {"reference": str(uuid4()), "amount": amount, "text": "Bank transfer"}
    client = f"/staff/v1/clients/{world.mike.id}/top-ups"
    with world.unchanged():
        for path in (f"{partner}/top-ups", f"{partner}/pay-outs"):
            answer = world.stack.admin.http.post(path, json=body)
            assert problem(answer) == (422, "invalid_request")
        body["amount"] = {"amount": amount, "currency": "EUR"}
        assert problem(world.stack.staff.http.post(client, json=body)) == (422, "invalid_request")


@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_currency_confusion(world: World, currency: str) -> None:
    """As many yen as it costs euro cents."""
    with world.unchanged():
        order = world.order(max_price={"amount": 10**6, "currency": currency})
        assert problem(world.place(order)) == (409, "price_above_max")
        body = {
            "reference": str(uuid4()),
            "amount": {"amount": 5, "currency": currency},
            "text": "x",
        }
        path = f"/staff/v1/clients/{world.mike.id}/top-ups"
        answer = world.stack.staff.http.post(path, json=body)
        assert problem(answer)[0] in {409, 422}


@pytest.mark.parametrize("currency", ["eur", "EURO", "", "\u20ac", "EUR\x00"])
def test_currency_that_is_none(world: World, currency: str) -> None:
    with world.unchanged():
        order = world.order(max_price={"amount": 10**6, "currency": currency})
        assert problem(world.place(order)) == (422, "invalid_request")


@pytest.mark.parametrize("less", [1, 10**9])
def test_max_price_below_the_price(world: World, less: int) -> None:
    amount = price(world) - less
    with world.unchanged():
        order = world.order(max_price={"amount": amount, "currency": "EUR"})
        assert problem(world.place(order)) == (409, "price_above_max")


def test_tariff_of_another_partner(world: World) -> None:
    with world.unchanged():
        order = world.order(tariff_id=world.alice.tariff["id"])
        assert problem(world.place(order)) == (409, "tariff_unavailable")


def test_expired_quote(world: World) -> None:
    """An order at the price of a version that is no longer in effect."""
    goods = world.stack.provision_catalogue(paid_in=10**6)
    world.stack.admin.post(
        f"/admin/v1/tariffs/{goods.tariff['id']}/versions",
        {
            "vcpu": 1,
            "ram_mib": 1024,
            "disk_gib": 10,
            "ipv4": 1,
            "os_templates": [OS],
            "prices": {"month": {"price": "9000", "setup_fee": "0"}},
        },
    )
    with world.unchanged():
        answer = world.place(world.order(goods), by=goods)
        assert problem(answer) == (409, "tariff_unavailable")


@pytest.mark.parametrize("version", [0, -1, 2, 2**31, 2**62])
def test_version_that_is_not_there(world: World, version: int) -> None:
    with world.unchanged():
        answer = world.place(world.order(tariff_version=version))
        assert problem(answer) in {(409, "tariff_unavailable"), (422, "invalid_request")}


def test_race_for_the_last_balance(world: World) -> None:
    goods = world.stack.provision_catalogue(paid_in=0)
    orders = [world.order(goods) for _ in range(6)]
    world.stack.admin.top_up(goods.partner["id"], price(world))
    answers = at_once(*(partial(world.place, order, by=goods) for order in orders))
    assert sorted(answer.status_code for answer in answers) == [202] + [402] * 5
    assert {problem(one) for one in answers if one.is_error} == {(402, "insufficient_balance")}
    balance = world.ask("GET", "/partner/v1/balance", by=goods).json()
    assert balance["available"]["amount"] == 0


def test_race_of_two_orders_with_one_service_ref(world: World) -> None:
    order = world.order()
    answers = at_once(*[partial(world.place, order)] * 4)
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({one.json()["id"] for one in answers if one.status_code == 202}) == 1
    known = world.stack.admin.services(world.mallory.partner["id"])
    assert [row["service_ref"] for row in known].count(order["service_ref"]) == 1


def test_order_again_under_another_key_and_at_another_price(world: World) -> None:
    order = world.order()
    first = world.place(order)
    world.stack.wait_until(
        lambda: world.state(order["service_ref"]) == "active", what="the first order"
    )
    with world.unchanged():
        again = world.place(order)
        assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
        order["options"]["hostname"] = "another.example.com"
        assert problem(world.place(order)) == (409, "service_ref_taken")


def test_race_of_two_resumes(world: World) -> None:
    ref = world.new_service(world.mallory)
    assert world.send("suspend", {}, ref=ref).status_code == 202
    world.stack.wait_until(lambda: world.state(ref) == "suspended", what="suspended")
    one, other = str(uuid4()), str(uuid4())
    wishes = [partial(world.send, "resume", {}, ref=ref, command=id_) for id_ in (one, one, other)]
    answers = at_once(*wishes)
    assert {problem(answer) for answer in answers if answer.is_error} <= {(409, "in_progress")}
    world.stack.wait_until(lambda: world.state(ref) == "active", what="active")
    shown = world.ask("GET", f"/partner/v1/services/{ref}", by=world.mallory).json()
    assert (shown["suspensions"], shown["power"]) == ([], "running")

    def resumed() -> list[str]:
        events = world.ask("GET", "/partner/v1/events?limit=500", by=world.mallory).json()["items"]
        return [
            event["command_id"]
            for event in events
            if (event["service_ref"], event["type"]) == (ref, "service.resumed")
        ]

    # The second wish finds itself fulfilled; each command has one operation and one event.
    world.stack.wait_until(lambda: len(resumed()) == 2, what="both events")
    assert sorted(resumed()) == sorted([one, other])


def test_race_of_two_renewals_of_one_term(world: World) -> None:
    ref = world.new_service(world.mallory)
    view = world.ask("GET", f"/partner/v1/services/{ref}", by=world.mallory).json()
    body = {"from": view["paid_until"]}
    answers = at_once(*[partial(world.send, "renew", body, ref=ref)] * 4)
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409]
    assert {problem(one) for one in answers if one.is_error} == {(409, "term_moved")}


def test_end_of_a_suspension_that_is_not_ones_own(world: World) -> None:
    ref = world.new_service(world.mallory)
    row = world.stack.admin.service(ref, world.mallory.partner["id"])
    body = {"actor": "abuse", "reason": "abuse"}
    world.stack.admin.post(f"/admin/v1/services/{row['id']}/suspend", body, key=str(uuid4()))
    world.stack.wait_until(lambda: world.state(ref) == "suspended", what="suspended")
    with world.unchanged():
        answer = world.send("resume", {}, ref=ref)
        assert problem(answer) == (409, "blocked_by_suspensions")
        for actor in ("abuse", "provider", "partner_debt", "expired"):
            assert problem(world.send("resume", {"actor": actor}, ref=ref))[0] == 422


def test_idempotency_key_of_another_partner(world: World) -> None:
    """Neither the answer nor the memory of another's command can be had by its id."""
    command = str(uuid4())
    body = {"hostname": "alice.example.com"}
    ours = world.send("rename", body, ref=world.alices_ref, by=world.alice, command=command)
    assert ours.status_code == 202
    world.stack.wait_until(
        lambda: (
            world.ask("GET", f"/partner/v1/operations/{ours.json()['id']}", by=world.alice).json()[
                "state"
            ]
            == "succeeded"
        ),
        what="the rename",
    )
    with world.unchanged():
        theirs = world.send("rename", body, ref=world.alices_ref, command=command)
        assert problem(theirs) == (404, "not_found")
        assert "idempotency-replayed" not in theirs.headers
        path = f"/partner/v1/operations/{ours.json()['id']}"
        assert problem(world.ask("GET", path, by=world.mallory)) == (404, "not_found")
        record = world.ask("GET", f"/partner/v1/commands/{command}", by=world.mallory)
        assert record.json()["state"] == "refused"
        assert record.json()["operation"] is None


def test_idempotency_key_of_another_body(world: World) -> None:
    command = str(uuid4())
    first = world.send("rename", {"hostname": "one.example.com"}, command=command)
    assert first.status_code == 202
    path = f"/partner/v1/operations/{first.json()['id']}"
    world.stack.wait_until(
        lambda: world.ask("GET", path, by=world.mallory).json()["state"] == "succeeded",
        what="the rename",
    )
    with world.unchanged():
        second = world.send("rename", {"hostname": "two.example.com"}, command=command)
        assert problem(second) == (422, "idempotency_key_reused")
        other = world.send("terminate", {"when": "now"}, command=command)
        assert problem(other) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("key", ["", "x", "0" * 500, "../../x", "{uuid}", "1; DROP TABLE"])
def test_idempotency_key_that_is_none(world: World, key: str) -> None:
    with world.unchanged():
        answer = world.send("stop", {}, command=key)
        assert problem(answer) == (400, "idempotency_key_missing")
