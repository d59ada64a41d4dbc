"""A client with one VM who goes on wishing, whatever breaks meanwhile, and waits patiently."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from local_stack.demo.callers import JSON, Client, pause_after
from shared.contract.basics import CommandKind
from tests.journeys.patient import LONGEST, insist, look
from tests.journeys.stack import OS, Shop

# What is shown once a command of this kind is done: the state, and the power where it matters.
SHOWN = {
    CommandKind.ORDER: ("active", "running"),
    CommandKind.SUSPEND: ("suspended", "stopped"),
    CommandKind.RESUME: ("active", "running"),
    CommandKind.RENEW: ("active", "running"),
    CommandKind.STOP: ("active", "stopped"),
    CommandKind.START: ("active", "running"),
    CommandKind.TERMINATE: ("terminated", "stopped"),
    CommandKind.RESTORE: ("active", "running"),
}
BODIES: dict[CommandKind, JSON] = {
    CommandKind.TERMINATE: {"when": "now"},
    CommandKind.RESTORE: {"renew": False},
}
# A repeated click that finds the wish fulfilled.
FULFILLED = {CommandKind.RENEW: ("paid_until_moved",)}


@dataclass
class Life:
    """One service of one client, and what was wished of it."""

    client: Client
    shop: Shop
    service_id: str = ""
    wished: list[CommandKind] = field(default_factory=list)

    def wish(self, kind: CommandKind) -> None:
        """Click until there is an answer."""
        self.wished.append(kind)
        if kind is CommandKind.ORDER:
            self._order()
            return
        path = f"/client/v1/services/{self.service_id}/{kind}"
        insist(self.client, path, self._body(kind), done=FULFILLED.get(kind, ()))

    def _order(self) -> None:
        body: JSON = {
            "tariff_id": self.shop.tariff["id"],
            "period": "month",
            "auto_renew": False,
            "options": {"os": OS, "hostname": f"vm-{uuid4().hex[:8]}.example.com"},
        }
        placed = insist(self.client, "/client/v1/orders", body, key=str(uuid4()))
        self.service_id = placed["service_id"]

    def _body(self, kind: CommandKind) -> JSON | None:
        if kind is CommandKind.RENEW:
            return {"paid_until": self.shown()["paid_until"]}
        return BODIES.get(kind)

    def shown(self) -> JSON:
        """The service as the client sees it."""
        return look(self.client, f"/client/v1/services/{self.service_id}")

    def wait_until_done(self, kind: CommandKind, *, seconds: float = LONGEST) -> None:
        """Return when nothing is under way, and it stands as this command leaves it."""

        def done() -> bool:
            shown = self.shown()
            return not shown["pending"] and (shown["state"], shown["power"]) == SHOWN[kind]

        wait(done, what=f"{kind} of {self.service_id}", seconds=seconds)


def wait(look_: Callable[[], bool], *, what: str, seconds: float = LONGEST) -> None:
    """Look until it is so."""
    began = time.monotonic()
    while not look_():
        took = time.monotonic() - began
        assert took < seconds, f"waited {seconds:.0f} s in vain for: {what}"
        time.sleep(pause_after(took))
