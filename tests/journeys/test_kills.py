"""Any process may be killed at any moment: everything ends as it was wanted, exactly once."""

import os
import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import httpx
import pytest

from local_stack.demo.callers import JSON, Client
from local_stack.home import PROGRAMS
from selling_service.provisioning.drivers.simulated import Behaviour
from tests.journeys.behind import behave, one
from tests.journeys.conftest import MakeStack
from tests.journeys.invariants import check_all, databases, settle
from tests.journeys.patient import LONGEST, insist
from tests.journeys.proxy import Fault, Sent
from tests.journeys.stack import OS, Shop, Stack
from tests.journeys.wires import Wire, order_at_once, wired

pytestmark = pytest.mark.slow

ORDERS = 60
SUSPENDS = 30
KILLS = 20
CLICKS = 20
PAUSE = (0.2, 0.8)


@pytest.fixture(scope="module")
def stack(make_stack: MakeStack) -> Iterator[Stack]:
    """A pair whose processes these tests may kill."""
    with make_stack() as running:
        yield running


@dataclass
class Killer:
    """Kills one process after the other, each once it has begun to work, and starts it again."""

    stack: Stack
    chance: random.Random
    kills: list[str] = field(default_factory=list)
    _started: dict[str, float] = field(default_factory=dict)

    def run(self) -> None:
        while len(self.kills) < KILLS:
            time.sleep(self.chance.uniform(*PAUSE))
            working = [name for name in sorted(PROGRAMS) if self._works(name)]
            if working:
                self._kill(self.chance.choice(working))

    def _kill(self, name: str) -> None:
        self.stack.kill(name)
        self._started[name] = self._last_start(name)
        self.stack.start(name)
        self.kills.append(name)

    def _works(self, name: str) -> bool:
        service, _, kind = name.partition("-")
        if kind == "worker":
            return self._last_start(name) > self._started.get(name, 0)
        try:
            url = f"{self.stack.urls[service]}/healthz"
            return httpx.get(url, timeout=1.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    def _last_start(self, name: str) -> float:
        """When a worker of this service has begun to work last, in seconds of the epoch."""
        found: float = one(
            databases(self.stack)[name.partition("-")[0]],
            "SELECT coalesce(max(extract(epoch FROM started_at)), 0)::float8 FROM workers",
        )
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Shopping:
    """Clients who order while processes die, and suspend every second of their services at once."""

    shop: Shop
    clients: list[Client]
    killer: Killer

    def run(self) -> list[str]:
        """Return the ids of all services, in order."""
        with ThreadPoolExecutor(len(self.clients)) as pool:
            return list(pool.map(self._buy, range(ORDERS)))

    def _buy(self, number: int) -> str:
        while len(self.killer.kills) < number * KILLS // ORDERS:
            time.sleep(0.02)
        client = self.clients[number % len(self.clients)]
        body: JSON = {
            "tariff_id": self.shop.tariff["id"],
            "period": "month",
            "auto_renew": False,
            "options": {"os": OS, "hostname": f"vm-{number}.example.com"},
        }
        order = insist(client, "/client/v1/orders", body, key=f"click-{number}")
        service_id: str = order["service_id"]
        if number % (ORDERS // SUSPENDS):
            insist(client, f"/client/v1/services/{service_id}/suspend", None)
        return service_id


def test_processes_are_killed_in_the_middle_of_orders_and_suspends(stack: Stack) -> None:
    seed = int(os.environ.get("KILLS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"KILLS_SEED={seed}")  # noqa: T201 - to try a failure again
    behave(stack.selling_database, Behaviour(delay_ms=100))
    shop = stack.open_shop(paid_in=10**6)
    clients = [stack.new_client(name=f"Client-{number}") for number in range(4)]
    killer = Killer(stack, random.Random(seed))
    with ThreadPoolExecutor(1) as pool:
        bought = pool.submit(Shopping(shop=shop, clients=clients, killer=killer).run)
        killer.run()
        service_ids = bought.result(timeout=LONGEST)
    stack.wait_until_ready()
    settle(stack, seconds=LONGEST)
    assert set(killer.kills) == set(PROGRAMS)
    assert len(set(service_ids)) == ORDERS
    expect_all_as_wanted(stack, clients, partner_id=shop.goods.partner["id"])
    check_all(stack)


def expect_all_as_wanted(stack: Stack, clients: list[Client], *, partner_id: str) -> None:
    """Every order is one service and one charge at both sides; those suspended stand still."""
    shown = [service for client in clients for service in client.services()]
    states = sorted((service["state"], service["power"]) for service in shown)
    half = [("active", "running")] * (ORDERS - SUSPENDS)
    assert states == half + [("suspended", "stopped")] * SUSPENDS
    charged = [
        line
        for client in clients
        for line in client.every("/client/v1/statement")
        if line["kind"] == "order"
    ]
    assert len(charged) == ORDERS
    upstream = stack.admin.services(partner_id)
    assert sorted(service["state"] for service in upstream) == [state for state, _ in states]
    statement = stack.admin.every(f"/admin/v1/partners/{partner_id}/statement")
    assert [line["kind"] for line in statement].count("order") == ORDERS


def test_selling_worker_is_killed_while_the_platform_works(stack: Stack) -> None:
    client = stack.new_client()
    behave(stack.selling_database, Behaviour(delay_ms=700))
    with wired(stack) as wire:
        order_at_once(wire, [client], orders=6)
        for _ in range(3):
            stack.wait_until(partial(running, wire), what="an operation that runs")
            stack.restart("selling-worker")
        behave(stack.selling_database, Behaviour())
        settle(stack, seconds=LONGEST)
        assert wire.at_seller("services WHERE partner_id = $1 AND state = 'active'") == 6
        taken_over = "operations WHERE partner_id = $1 AND attempts > 1"
        assert wire.at_seller(taken_over) > 0
        check_all(stack)


def running(wire: Wire) -> int:
    """Count operations that a living worker has in hand."""
    return wire.at_seller("operations WHERE partner_id = $1 AND state = 'running'")


def test_reselling_worker_is_killed_while_its_request_is_on_the_way(stack: Stack) -> None:
    """What a dead worker has sent arrives after its successor's repetition, or beside it."""
    client = stack.new_client()
    on_the_way = Event()

    def slow(sent: Sent) -> Fault | None:
        if not sent.is_order or on_the_way.is_set():
            return None
        on_the_way.set()
        return Fault(delay=4.0)

    with wired(stack, rule=slow) as wire:
        service_id = stack.order(client, wire.shop)
        assert on_the_way.wait(20)
        stack.restart("reselling-worker")
        client.wait_until(service_id, state="active", seconds=LONGEST)
        stack.wait_until(partial(arrived, wire, 2), what="the dead worker's request")
        settle(stack, seconds=LONGEST)
        assert len({sent.command_id for sent in wire.orders}) == 1
        assert wire.at_seller("services") == wire.at_seller("holds") == 1
        check_all(stack)


def arrived(wire: Wire, requests: int) -> bool:
    """Whether so many orders were answered by the seller."""
    answers = bytes(wire.proxy.down).count(b'"kind":"order"')
    return len(wire.orders) >= requests and answers >= requests


def test_both_apis_die_in_the_middle_of_requests(stack: Stack) -> None:
    clients = [stack.new_client(name=f"Client-{number}") for number in range(4)]
    with wired(stack, paid_in=10**6) as wire, ThreadPoolExecutor(4) as pool:
        body: JSON = {
            "tariff_id": wire.shop.tariff["id"],
            "period": "month",
            "auto_renew": False,
            "options": {"os": OS, "hostname": "web-1.example.com"},
        }
        clicks = [
            pool.submit(insist, clients[number % 4], "/client/v1/orders", body, key=f"n-{number}")
            for number in range(CLICKS)
        ]
        stack.wait_until(partial(sent_orders, wire, 3), what="orders on the way")
        stack.restart("selling-api", "reselling-api")
        bought = [click.result(timeout=LONGEST)["service_id"] for click in clicks]
        settle(stack, seconds=LONGEST)
        assert len(set(bought)) == wire.at_seller("services") == CLICKS
        assert wire.at_seller("services WHERE partner_id = $1 AND state = 'active'") == CLICKS
        check_all(stack)


def sent_orders(wire: Wire, least: int) -> bool:
    """Whether so many orders have gone by."""
    return len(wire.orders) >= least
