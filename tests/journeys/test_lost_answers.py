"""One command, exactly once: whatever the network loses, doubles or invents."""

import threading
import time
from collections import Counter

import pytest

from local_stack.demo.callers import Client
from tests.journeys.behind import one
from tests.journeys.invariants import check_all, settle
from tests.journeys.proxy import Fault, once
from tests.journeys.stack import Stack
from tests.journeys.wires import (
    Wire,
    first_of,
    mute_feed,
    order_at_once,
    order_one_by_one,
    wired,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

ORDERS = 200
BURST = 40
ANSWERED = {"accepted", "succeeded"}
CLIENTS = 4
LONGEST = 300  # on a busy machine; a quiet one needs a tenth


def clients_of(stack: Stack) -> list[Client]:
    return [stack.new_client(name=f"Client-{number}") for number in range(CLIENTS)]


def expect_exactly(wire: Wire, *, orders: int, clients: int) -> None:
    """Each order became one service, one VM and one charge at either side, and nothing else did."""
    stack, seller = wire.stack, wire.at_seller
    assert seller("services") == orders
    active = "services s JOIN simulated_vms v ON v.vm_id = s.id WHERE s.partner_id = $1"
    assert seller(f"{active} AND s.state = 'active' AND v.power = 'running'") == orders
    assert seller("accounts") == seller("platform_users") == clients
    charged = "entries WHERE partner_id = $1 AND book = 'balance' AND kind = 'order'"
    assert seller(charged) == seller("holds") == orders
    at_home = "SELECT count(*) FROM {} JOIN services s ON s.id = service_id WHERE s.seller_id = $1"
    for what in ("holds", "entries"):
        sides = {"holds": 1, "entries": 2}[what]
        found = one(stack.reselling_database, at_home.format(what), wire.shop.seller["id"])
        assert found == orders * sides
    check_all(stack)


@pytest.mark.parametrize("copies", [1, 2], ids=["sent once", "sent twice at once"])
def test_answer_of_each_of_200_orders_is_lost(common_stack: Stack, copies: int) -> None:
    """The feed is silent meanwhile: only a repetition can bring the answer."""
    told = threading.Event()
    lost = once(Fault(drop_answer=True, copies=copies))
    clients = clients_of(common_stack)
    with wired(common_stack, rule=first_of(mute_feed(told), lost), paid_in=10**6) as wire:
        order_one_by_one(wire, clients, orders=ORDERS, until=ANSWERED, seconds=LONGEST)
        sent = Counter(order.command_id for order in wire.orders)
        assert len(sent) == ORDERS
        assert min(sent.values()) > 1
        told.set()
        settle(common_stack, seconds=LONGEST)
        expect_exactly(wire, orders=ORDERS, clients=CLIENTS)


def test_answers_of_many_orders_at_once_are_lost_and_the_circuit_opens(
    common_stack: Stack,
) -> None:
    """The feed tells what became of those that arrived; the circuit's time is moved on."""
    clients = clients_of(common_stack)
    twins = once(Fault(copies=2, drop_answer=True))
    with wired(common_stack, rule=twins) as wire:
        order_at_once(wire, clients, orders=BURST)
        seller = f"/staff/v1/sellers/{wire.shop.seller['id']}"
        wire.stack.wait_until(
            lambda: wire.stack.staff.get(seller)["link"]["state"] == "broken",
            what="a link that is shown as broken",
        )
        while {row["state"] for row in wire.commands("state")} & {"queued", "unanswered"}:
            wire.stack.staff.move_clock(30)
            time.sleep(0.5)
        settle(common_stack, seconds=LONGEST)
        expect_exactly(wire, orders=BURST, clients=CLIENTS)
