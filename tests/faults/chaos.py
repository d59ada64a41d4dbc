"""Random wishes of many clients while random things break; all from one seed, and counted.

What must hold at every moment is looked at all along.

Threads of clients and of mischief run side by side, so that a seed gives the same wishes and the
same faults, but not the same interleaving.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from uuid import uuid4

from local_stack.demo.callers import JSON, Client
from selling_service.provisioning.drivers.simulated import Behaviour
from shared.kit.db import DATABASE_AWAY
from tests.faults.lab import Lab
from tests.faults.mischief import PAUSE, Mischief
from tests.journeys.behind import behave, one
from tests.journeys.invariants import check_always, settle
from tests.journeys.patient import persist
from tests.journeys.stack import OS, Shop
from tests.journeys.wires import Wire, wired

CLIENTS = 8
MOST_SERVICES = 60
# How often each is wished; an order comes besides as long as there are few services.
WISHES: dict[str, int] = {
    "order": 8,
    "suspend": 12,
    "resume": 12,
    "start": 6,
    "stop": 6,
    "restart": 6,
    "rename": 4,
    "renew": 8,
    "terminate": 3,
    "restore": 6,
}
ALL_COMMANDS = "SELECT count(*) FROM commands WHERE seller_id = $1"
UNDER_WAY = f"{ALL_COMMANDS} AND settled_at IS NULL"
# Clients wait while so many are: commands shall live through faults, not pile up until they heal.
MOST_UNDER_WAY = 150
RICH = 10**8
PATIENCE = 240.0  # on a busy machine; a quiet one needs a twentieth


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a run came to: seconds under faults, and then until nothing was under way any more.

    `wishes` by what became of them at the reseller's desk.
    """

    seed: int
    commands: int
    seconds: float
    at_rest_after: float
    services: int
    wishes: Counter[str]
    faults: Counter[str]


@dataclass
class Crowd:
    """One client's wishes."""

    client: Client
    shop: Shop
    chance: random.Random
    services: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)

    def wish(self) -> None:
        """Wish something of somebody, and insist until there is an answer, whatever it is."""
        verb = self.chance.choices([*WISHES], [*WISHES.values()])[0]
        if not self.services or (verb == "order" and len(self.services) < MOST_SERVICES):
            placed = self._post("/client/v1/orders", self._order(), key=str(uuid4()))
            self.services += [placed["service_id"]] if "service_id" in placed else []
            return
        if verb != "order":
            service_id = self.chance.choice(self.services)
            self._post(f"/client/v1/services/{service_id}/{verb}", self._body(verb))

    def _post(self, path: str, body: JSON | None, *, key: str | None = None) -> JSON:
        headers = {"Idempotency-Key": key} if key else {}
        answer = persist(self.client, "POST", path, body, headers=headers, seconds=600)
        found: JSON = answer.json()
        self.answers["taken" if answer.is_success else found["code"]] += 1
        return found if answer.is_success else {}

    def _order(self) -> JSON:
        return {
            "tariff_id": self.shop.tariff["id"],
            "period": self.chance.choice(["hour", "month", "year"]),
            "auto_renew": self.chance.random() < 0.3,
            "options": {"os": OS, "hostname": f"vm-{uuid4().hex[:8]}.example.com"},
        }

    def _body(self, verb: str) -> JSON | None:
        bodies: dict[str, JSON] = {
            "rename": {"hostname": f"vm-{uuid4().hex[:8]}.example.com"},
            "renew": {},
            "terminate": {"when": self.chance.choice(["now", "now", "period_end"])},
            "restore": {"renew": True},
        }
        return bodies.get(verb)


@dataclass
class Chaos:
    """Wishes until there are so many commands, or so many seconds are over, while things break."""

    lab: Lab
    seed: int
    commands: int
    seconds: float = float("inf")
    pause: float = PAUSE
    over: threading.Event = field(default_factory=threading.Event)
    room: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Outcome:
        """Break everything, heal everything, and wait until both sides are at rest."""
        chain, began = self.lab.chain, time.monotonic()
        chance = random.Random(self.seed)
        with wired(chain, behind=self.lab.wire.url, paid_in=RICH) as wire:
            mischief = Mischief(self.lab, random.Random(chance.random()), self.pause)
            crowds = [
                Crowd(
                    chain.new_client(name=f"Client-{n}", paid_in=RICH),
                    wire.shop,
                    random.Random(chance.random()),
                )
                for n in range(CLIENTS)
            ]
            wire.proxy.rule = mischief.on_wire
            with self._together(crowds, mischief):
                self._wait(wire, until=began + self.seconds)
            wire.proxy.rule = None
            self.lab.heal()
            behave(chain.selling_database, Behaviour())
            broken = time.monotonic() - began
            settle(chain, seconds=PATIENCE)
            return Outcome(
                seed=self.seed,
                commands=self._count(wire, ALL_COMMANDS),
                seconds=broken,
                at_rest_after=time.monotonic() - began - broken,
                services=sum(len(crowd.services) for crowd in crowds),
                wishes=sum((crowd.answers for crowd in crowds), Counter()),
                faults=mischief.counts,
            )

    @contextmanager
    def _together(self, crowds: list[Crowd], mischief: Mischief) -> Iterator[None]:
        with ThreadPoolExecutor(len(crowds) + 1) as pool:
            running: list[Future[None]] = [pool.submit(self._keep_wishing, one_) for one_ in crowds]
            breaking = pool.submit(mischief.run, self.over)
            try:
                yield
            finally:
                self.over.set()
                self.room.set()
                wait([breaking])
                self.lab.heal()
            for each in (breaking, *running):
                each.result()

    def _keep_wishing(self, crowd: Crowd) -> None:
        while not self.over.is_set():
            crowd.wish()
            self.room.wait()

    def _count(self, wire: Wire, statement: str) -> int:
        found: int = one(self.lab.chain.reselling_database, statement, wire.shop.seller["id"])
        return found

    def _wait(self, wire: Wire, *, until: float) -> None:
        looks = 0
        while time.monotonic() < until:
            # The server may be being killed just now.
            with suppress(*DATABASE_AWAY):
                if looks % 4 == 0:
                    check_always(self.lab.chain)
                if self._count(wire, ALL_COMMANDS) >= self.commands:
                    return
                roomy = self._count(wire, UNDER_WAY) < MOST_UNDER_WAY
                (self.room.set if roomy else self.room.clear)()
            looks += 1
            time.sleep(0.5)
