"""The desk and the trail over real HTTP: one id from the client's click to the platform's call."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.journeys.stack import Stack

pytestmark = pytest.mark.slow
BEHAVIOUR = "/admin/v1/platforms/simulated/behaviour"
REASON = {"reason": "The node burnt down."}


@pytest.fixture
def stack(common_stack: Stack) -> Iterator[Stack]:
    """The common pair, whose platform is as it was afterwards."""
    yield common_stack
    common_stack.admin.put(BEHAVIOUR, {})


def click(stack: Stack, client: Any, shop: Any) -> tuple[str, str]:
    """An order as a browser makes it: the id of its service, and the trace id of the answer."""
    body = {
        "tariff_id": shop.tariff["id"],
        "period": "month",
        "options": {"os": "debian-12", "hostname": "very-private.example.com"},
    }
    answer = client.http.post("/client/v1/orders", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()["service_id"], answer.headers["X-Trace-Id"]


def trail_of(stack: Stack, trace_id: str) -> dict[str, Any]:
    found: dict[str, Any] = stack.staff.get(f"/staff/v1/trail/{trace_id}")
    return found


def test_one_trace_leads_from_the_click_to_the_call_and_back(stack: Stack) -> None:
    shop, client = stack.open_shop(), stack.new_client(name="Zenobia")
    stack.admin.move_clock(600)  # the seller's alone: what happened keeps its order
    service_id, trace_id = click(stack, client, shop)
    client.wait_until(service_id, state="active")
    trail = trail_of(stack, trace_id)
    told = [(item["side"], item["kind"], item["what"], item["outcome"]) for item in trail["items"]]
    story = [
        ("reselling", "command", "order", "wished"),
        ("reselling", "sending", "order 1", "accepted"),
        ("selling", "received", "order", "accepted"),
        ("selling", "attempt", "order 1", "done"),
        ("selling", "call", "create_vm", "done"),
        ("selling", "event", "service.activated", None),
        ("reselling", "command", "order", "succeeded"),
    ]
    assert [step for step in told if step in story] == story
    assert {step[:3] for step in told if step[1] == "money"} == {
        ("reselling", "money", "hold"),
        ("reselling", "money", "order"),
        ("selling", "money", "hold"),
        ("selling", "money", "order"),
    }
    (source,) = trail["sellers"]
    assert source["told"] is True
    assert source["clock_ahead_milliseconds"] >= 590_000
    stack.staff.move_clock(600)  # both live in one time again
    for secret in ("Zenobia", client.email, "very-private"):
        assert secret not in str(trail)


def test_trail_is_shown_without_a_seller_that_does_not_answer(stack: Stack) -> None:
    shop, client = stack.open_shop(), stack.new_client()
    service_id, trace_id = click(stack, client, shop)
    client.wait_until(service_id, state="active")
    path = f"/staff/v1/sellers/{shop.seller['id']}"
    key = stack.admin.get(f"/admin/v1/partners/{shop.goods.partner['id']}/keys")["items"][0]
    stack.admin.post(f"/admin/v1/partners/{shop.goods.partner['id']}/keys/{key['id']}/revoke")
    trail = trail_of(stack, trace_id)
    (source,) = trail["sellers"]
    assert source["told"] is False
    assert source["problem"]
    assert {item["side"] for item in trail["items"]} == {"reselling"}
    stack.staff.post(f"{path}/disable")


def test_what_the_provider_gives_up_gives_the_clients_money_back(stack: Stack) -> None:
    shop, client = stack.open_shop(), stack.new_client()
    before = client.get("/client/v1/balance")
    stack.admin.put(BEHAVIOUR, {"faults": {"create_vm": {"kind": "unavailable"}}})
    _service_id, trace_id = click(stack, client, shop)
    seller_id, partner_id = shop.seller["id"], shop.goods.partner["id"]

    def waiting() -> Any:
        items = stack.staff.get("/staff/v1/desk", seller_id=seller_id)["items"]
        return items[0] if items else None

    item = stack.wait_until(waiting, what="an order that waits at the seller")
    assert (item["state"], item["code"], item["trace_id"]) == ("waiting", "unavailable", trace_id)
    assert item["money"]["state"] == "open"
    (theirs,) = stack.admin.get("/admin/v1/desk", partner_id=partner_id)["items"]
    assert (theirs["trace_id"], theirs["money"]["state"]) == (trace_id, "open")
    path = f"/admin/v1/desk/operation/{theirs['id']}/give-up"
    stack.wait_until(partial(given_up, stack, path), what="a moment between two attempts")

    def failed() -> Any:
        found = waiting()
        return found if found and found["state"] == "failed" else None

    item = stack.wait_until(failed, what="the end at the reseller")
    assert (item["code"], item["money"]["state"]) == ("given_up", "released")
    assert client.get("/client/v1/balance") == before
    money = stack.admin.balance(partner_id)
    assert money["held"]["amount"] == 0


def given_up(stack: Stack, path: str) -> bool:
    """Whether it could be given up: not while a worker is at it."""
    answer = stack.admin.http.post(path, json=REASON)
    assert answer.status_code in {204, 409}, answer.text
    return answer.status_code == 204
