"""What the network invents, what comes too late, and what is repeated with another meaning."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from local_stack.demo.callers import ALL_SCOPES, Client
from selling_service.provisioning.drivers.simulated import Behaviour
from shared.contract.basics import IDEMPOTENCY_HEADER, REPLAYED_HEADER
from shared.contract.problems import PROBLEM_MEDIA_TYPE
from tests.journeys.behind import behave, rows
from tests.journeys.invariants import check_all, settle
from tests.journeys.proxy import Fault, Sent, answer
from tests.journeys.stack import Stack
from tests.journeys.wires import Wire, first_of, money, mute_feed, wired

pytestmark = pytest.mark.slow

LONGEST = 120  # on a busy machine
DEADLINE = timedelta(hours=24, minutes=1)
PAID_IN = 100_000
HTML = "text/html"


def refusal(*, status: int, code: str) -> bytes:
    """A problem whose words are those of the catalogue."""
    body = {
        "type": f"/problems#{code}",
        "title": "Refused",
        "status": status,
        "detail": "",
        "instance": "/",
        "code": code,
        "outcome": "refused",
        "request_id": None,
        "errors": [],
        "blockers": [],
    }
    return json.dumps(body).encode()


NOT_OURS = {
    "a hotel's welcome": answer("200 OK", b"<html>Welcome</html>", media_type=HTML),
    "a gateway's page": answer("502 Bad Gateway", b"<html>Bad</html>", media_type=HTML),
    "a page not found": answer("404 Not Found", b"<html>Gone</html>", media_type=HTML),
    "another Tandem's word that there is no such route": answer(
        "404 Not Found", refusal(status=404, code="no_such_route"), media_type=PROBLEM_MEDIA_TYPE
    ),
    "an empty object": answer("202 Accepted", b"{}", media_type="application/json"),
    "garbage": answer("202 Accepted", b"\x00\xff{", media_type="application/json"),
    "half an answer": b'HTTP/1.1 202 Accepted\r\nContent-Length: 900\r\n\r\n{"id": "01',
    "somebody else's refusal": answer(
        "409 Conflict", refusal(status=409, code="out_of_stock"), media_type="application/json"
    ),
    "a refusal of no catalogue": answer(
        "409 Conflict", refusal(status=409, code="quota"), media_type=PROBLEM_MEDIA_TYPE
    ),
    "a refusal that blames the server": answer(
        "500 Oops", refusal(status=500, code="unknown_os"), media_type=PROBLEM_MEDIA_TYPE
    ),
    "a key's problem": answer(
        "403 Forbidden",
        refusal(status=403, code="insufficient_scope"),
        media_type=PROBLEM_MEDIA_TYPE,
    ),
}


@pytest.fixture
def client(common_stack: Stack) -> Client:
    return common_stack.new_client(paid_in=PAID_IN)


@pytest.fixture
def platform_as_before(common_stack: Stack) -> Iterator[None]:
    yield
    behave(common_stack.selling_database, Behaviour())


def once_each(wire: Wire, faults: list[Fault]) -> None:
    """Each order's first attempt meets the next one of these faults."""
    met: dict[str | None, Fault] = {}

    def rule(sent: Sent) -> Fault | None:
        if not sent.is_order or sent.command_id in met or not faults:
            return None
        return met.setdefault(sent.command_id, faults.pop())

    wire.proxy.rule = rule


def nothing_was_bought(wire: Wire, client: Client) -> None:
    """The money is free on both sides, and nothing was made."""
    assert money(client) == (PAID_IN, 0)
    assert wire.partner_money == (PAID_IN, 0)
    assert wire.at_seller("services WHERE partner_id = $1 AND state <> 'failed'") == 0
    check_all(wire.stack)


def operations(wire: Wire, state: str) -> int:
    """Count the partner's operations in this state."""
    return wire.at_seller(f"operations WHERE partner_id = $1 AND state = '{state}'")


def send_again(wire: Wire, sent: Sent, *, key: str | None = "", **changes: Any) -> httpx.Response:
    """Send a request that went by once more, straight to the seller; "": with its own key."""
    head, _, body = sent.raw.partition(b"\r\n\r\n")
    content = json.dumps({**json.loads(body), **changes}).encode() if changes else body
    headers = {"Authorization": sent.headers["authorization"], "Content-Type": "application/json"}
    known = sent.command_id if key == "" else key
    if known is not None:
        headers[IDEMPOTENCY_HEADER] = known
    path = head.split(b" ")[1].decode()
    url = wire.stack.urls["selling"] + path
    return httpx.post(url, content=content, headers=headers, timeout=10, trust_env=False)


def test_answer_that_is_not_ours_ends_no_command(common_stack: Stack, client: Client) -> None:
    faults = [Fault(drop_answer=True, instead=words) for words in NOT_OURS.values()]
    faults += [Fault(refuse=True, instead=words) for words in NOT_OURS.values()]
    expected = len(faults)
    with wired(common_stack) as wire:
        once_each(wire, faults)
        for number in range(expected):
            common_stack.order(client, wire.shop, hostname=f"vm-{number}.example.com")
        settle(common_stack, seconds=LONGEST)
        assert len(wire.proxy.faults) == expected
        assert wire.at_seller("services WHERE partner_id = $1 AND state = 'active'") == expected
        attempts = rows(
            common_stack.reselling_database,
            "SELECT outcome FROM command_attempts a JOIN commands c ON c.id = a.command_id"
            " WHERE c.seller_id = $1 AND number = 1",
            wire.shop.seller["id"],
        )
        assert {row["outcome"] for row in attempts} == {"nothing"}
        check_all(common_stack)


def test_refusal_is_repeated_although_stock_has_come(common_stack: Stack, client: Client) -> None:
    lost = threading.Event()

    def lose(sent: Sent) -> Fault | None:
        return Fault(drop_answer=True) if sent.is_order and not lost.is_set() else None

    with wired(common_stack, rule=lose, stock=0) as wire:
        service_id = common_stack.order(client, wire.shop)
        common_stack.wait_until(lambda: wire.at_seller("received_commands"), what="the refusal")
        assert client.service(service_id)["state"] == "waiting"
        assert money(client)[1] > 0
        tariff_id = wire.shop.goods.tariff["id"]
        common_stack.admin.put(f"/admin/v1/tariffs/{tariff_id}/stock", {"stock": 5})
        lost.set()
        settle(common_stack, seconds=LONGEST)
        order = wire.order_of(client)
        assert (order["state"], order["problem_code"]) == ("cancelled", "out_of_stock")
        nothing_was_bought(wire, client)


def test_same_id_means_the_same_request_for_ever(common_stack: Stack, client: Client) -> None:
    with wired(common_stack) as wire:
        common_stack.order_active(client, wire.shop)
        (sent,) = wire.orders
        first = send_again(wire, sent)
        assert (first.status_code, first.headers[REPLAYED_HEADER]) == (202, "true")
        assert first.json()["command_id"] == sent.command_id
        reused = send_again(wire, sent, period="year")
        assert (reused.status_code, reused.json()["code"]) == (422, "idempotency_key_reused")
        assert reused.json()["outcome"] is None
        nameless = send_again(wire, sent, key=None)
        assert (nameless.status_code, nameless.json()["code"]) == (400, "idempotency_key_missing")
        renamed = send_again(wire, sent, key=str(uuid4()))
        assert (renamed.status_code, renamed.json()["id"]) == (202, first.json()["id"])
        taken = send_again(wire, sent, key=str(uuid4()), period="year")
        assert (taken.status_code, taken.json()["code"]) == (409, "service_ref_taken")
        assert wire.at_seller("services") == wire.at_seller("holds") == 1
        check_all(common_stack)


def test_order_that_never_arrived_is_cancelled_and_comes_too_late(
    common_stack: Stack, client: Client
) -> None:
    def refuse(sent: Sent) -> Fault | None:
        return Fault(refuse=True) if sent.is_order else None

    with wired(common_stack, rule=refuse) as wire:
        common_stack.order(client, wire.shop)
        common_stack.wait_until(lambda: wire.orders, what="an attempt")
        assert money(client)[1] > 0
        common_stack.move_clocks(int(DEADLINE.total_seconds()))
        client.log_in()
        settle(common_stack, seconds=LONGEST)
        order = wire.order_of(client)
        assert (order["state"], order["command_state"]) == ("cancelled", "cancelled")
        late = send_again(wire, wire.orders[0])
        assert (late.status_code, late.json()["code"]) == (409, "command_cancelled")
        assert late.json()["outcome"] == "refused"
        assert wire.at_seller("services") == 0
        nothing_was_bought(wire, client)


def test_order_in_the_sellers_queue_is_taken_back_after_its_deadline(
    common_stack: Stack, client: Client
) -> None:
    with wired(common_stack, stock=1) as wire:
        common_stack.kill("selling-worker")
        try:
            common_stack.order(client, wire.shop)
            common_stack.wait_until(partial(operations, wire, "queued"), what="a queued order")
            common_stack.move_clocks(int(DEADLINE.total_seconds()))
            client.log_in()
            common_stack.wait_until(
                lambda: wire.order_of(client)["state"] == "cancelled", seconds=LONGEST
            )
        finally:
            common_stack.start("selling-worker")
            common_stack.wait_until_ready()
        settle(common_stack, seconds=LONGEST)
        assert wire.stock == 1
        nothing_was_bought(wire, client)


def test_order_that_is_being_built_outlives_its_deadline(
    common_stack: Stack, client: Client, platform_as_before: None
) -> None:
    with wired(common_stack) as wire:
        behave(common_stack.selling_database, Behaviour(delay_ms=4000))
        service_id = common_stack.order(client, wire.shop)
        common_stack.wait_until(partial(operations, wire, "running"), what="a running order")
        common_stack.move_clocks(int(DEADLINE.total_seconds()))
        client.log_in()
        common_stack.wait_until(
            lambda: [sent for sent in wire.proxy.sent if sent.path.endswith("/cancel")],
            seconds=LONGEST,
            what="the attempt to cancel",
        )
        behave(common_stack.selling_database, Behaviour())
        client.wait_until(service_id, state="active", seconds=LONGEST)
        settle(common_stack, seconds=LONGEST)
        check_all(common_stack)


def key_that_ends(stack: Stack, partner_id: str, *, seconds: int) -> tuple[str, str]:
    """Make an installation and a key that ends by the seller's clock; ids of both, the token."""
    path = f"/admin/v1/partners/{partner_id}"
    installation = stack.admin.post(f"{path}/installations", {"name": f"shop-{uuid4()}"})
    now = datetime.fromisoformat(stack.admin.get("/admin/v1/clock")["now"])
    body = {
        "installation_id": installation["id"],
        "name": "short",
        "scopes": ALL_SCOPES,
        "expires_at": (now + timedelta(seconds=seconds)).isoformat(),
    }
    return installation["id"], stack.admin.post(f"{path}/keys", body)["token"]


def test_key_that_ends_in_between_breaks_the_link_and_no_order(
    common_stack: Stack, client: Client
) -> None:
    goods = common_stack.provision_catalogue()
    installation_id, token = key_that_ends(common_stack, goods.partner["id"], seconds=600)
    ended, told = threading.Event(), threading.Event()
    seen: set[UUID | str | None] = set()

    def lose(sent: Sent) -> Fault | None:
        if not sent.is_order or ended.is_set():
            return None
        first = sent.command_id not in seen
        seen.add(sent.command_id)
        return Fault(drop_answer=True) if first else Fault(refuse=True)

    rule, goods = first_of(mute_feed(told), lose), replace(goods, key=token)
    with wired(common_stack, rule=rule, goods=goods) as wire:
        service_id = common_stack.order(client, wire.shop)
        common_stack.wait_until(partial(wire.at_seller, "services"), what="the order's arrival")
        common_stack.admin.move_clock(601)
        ended.set()
        told.set()
        path = f"/staff/v1/sellers/{wire.shop.seller['id']}"

        def broken() -> bool:
            problem = common_stack.staff.get(path)["link"]["problem"] or ""
            return "unauthorized" in problem

        common_stack.wait_until(broken, seconds=LONGEST, what="a link that is shown as broken")
        assert wire.order_of(client)["state"] == "pending"
        assert money(client)[1] > 0
        keys = f"/admin/v1/partners/{goods.partner['id']}/keys"
        body = {"installation_id": installation_id, "name": "next", "scopes": ALL_SCOPES}
        new = common_stack.admin.post(keys, body)["token"]
        common_stack.staff.put(f"{path}/key", {"key": new})
        client.wait_until(service_id, state="active", seconds=LONGEST)
        common_stack.staff.move_clock(601)  # both live in one time again
        settle(common_stack, seconds=LONGEST)
        assert wire.at_seller("services") == wire.at_seller("holds") == 1
        check_all(common_stack)
