"""One command, exactly once: whatever the network loses, doubles or invents.

`LOST_ANSWERS` is how many orders lose their answer, each by itself: 240, or 1000 for a
long run; a multiple of shops and clients.
"""

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from local_stack.demo.callers import Client
from tests.journeys.behind import one
from tests.journeys.invariants import check_all, settle
from tests.journeys.proxy import Fault, Rule, Sent, once
from tests.journeys.stack import Stack
from tests.journeys.wires import (
    Wire,
    first_of,
    mute_feed,
    order_at_once,
    order_one_by_one,
    wired,
)

pytestmark = pytest.mark.slow

ORDERS = int(os.environ.get("LOST_ANSWERS", "240"))
SHOPS = 5
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


def lost_doubled_and_out_of_order(chance: random.Random) -> Rule:
    """The first answer to each order is lost; some come twice, and some after later ones."""
    rules = [
        once(Fault(drop_answer=True, copies=copies, delay=delay))
        for copies in (1, 2, 3)
        for delay in (0.0, 0.0, 0.4)
    ]
    chosen: dict[str | None, Rule] = {}

    def rule(sent: Sent) -> Fault | None:
        return chosen.setdefault(sent.command_id, chance.choice(rules))(sent)

    return rule


def test_answer_of_each_order_is_lost(common_stack: Stack) -> None:
    """The feeds are silent meanwhile: only a repetition can bring the answer."""
    told = threading.Event()
    chance = random.Random(ORDERS)
    with ExitStack() as shops:
        wires = []
        for _ in range(SHOPS):
            lost = lost_doubled_and_out_of_order(chance)
            rule = first_of(mute_feed(told), lost)
            wires.append(shops.enter_context(wired(common_stack, rule=rule, paid_in=10**6)))
        with ThreadPoolExecutor(SHOPS) as pool:
            for each in [pool.submit(lose_answers, wire) for wire in wires]:
                each.result()
        told.set()
        settle(common_stack, seconds=LONGEST)
        for wire in wires:
            expect_exactly(wire, orders=ORDERS // SHOPS, clients=CLIENTS)
        check_all(common_stack)
        faults = [fault for wire in wires for fault in wire.proxy.faults if fault.drop_answer]
        twice = sum(fault.copies > 1 for fault in faults)
        late = sum(fault.delay > 0 for fault in faults)
        assert len(faults) == ORDERS
        print(f"answers lost {ORDERS}, of them doubled {twice}, delayed {late}")  # noqa: T201 - figures


def lose_answers(wire: Wire) -> None:
    """Order at one shop, few at once: a circuit that opens would only make it slower."""
    orders = ORDERS // SHOPS
    clients = clients_of(wire.stack)
    order_one_by_one(wire, clients, orders=orders, until=ANSWERED, seconds=LONGEST)
    sent = Counter(order.command_id for order in wire.orders)
    assert len(sent) == orders
    assert min(sent.values()) > 1


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
            wire.stack.move_clocks(30)
            time.sleep(0.5)
        settle(common_stack, seconds=LONGEST)
        expect_exactly(wire, orders=BURST, clients=CLIENTS)
        check_all(common_stack)
