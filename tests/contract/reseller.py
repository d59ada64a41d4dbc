"""The reseller of a running pair as what made-up requests are sent to."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from local_stack.demo.callers import JSON
from tests.contract.differences import make_difference
from tests.contract.world import (
    FOR_A_CHANGE,
    PASSWORD,
    PLENTY,
    World,
    dead_job,
    fresh_email,
    fresh_uuid,
    make_person,
    session_of,
    some_of,
)
from tests.journeys.behind import execute
from tests.journeys.stack import OS, Shop

_SERVICE = "/services/{service_id}"
# What must have been done to a service for a command on it to succeed.
BEFORE: dict[str, list[tuple[str, JSON | None]]] = {
    f"POST /client/v1{_SERVICE}/resume": [("suspend", None)],
    f"POST /client/v1{_SERVICE}/restore": [("terminate", {"when": "period_end"})],
    f"POST /staff/v1{_SERVICE}/resume": [("suspend", {"cause": "staff"})],
    f"POST /staff/v1{_SERVICE}/restore": [("terminate", {"when": "period_end"})],
}


@dataclass
class ResellingWorld(World):
    """The reseller: a client that orders, and another one that staff may do anything to."""

    def __post_init__(self) -> None:
        stack = self.stack
        self.base_url = stack.urls["reselling"]
        self.shop: Shop = stack.open_shop()
        self.victim: Shop = stack.open_shop()
        self.client = stack.new_client(paid_in=PLENTY)
        self.closing = stack.new_client(paid_in=PLENTY)
        self.someone = make_person(stack.staff, "/staff/v1/staff")
        self.leaver = stack.new_client(paid_in=0)
        token = stack.staff.http.headers["Authorization"].removeprefix("Bearer ")
        mine = self.client.http.headers["Authorization"].removeprefix("Bearer ")
        self.tokens = {"staff_session": token, "client_session": mine}
        stranger = stack.new_client(paid_in=0).http.headers["Authorization"]
        self.strangers = {"client_session": stranger.removeprefix("Bearer ")}

    def look(self, label: str) -> None:
        stack = self.stack
        staff = stack.staff
        if "/disable" in self.label:
            staff.post(f"/staff/v1/sellers/{self.victim.seller['id']}/enable")
        if "/services/{" in label or "/differences/" in label:
            self._stand_by(label)
        services = some_of(staff.every("/staff/v1/services"), turn=self.turn)
        commands = staff.get("/staff/v1/commands", limit=3)["items"]
        failed = self._failed() if "/desk" in label else []
        for_client = "/client/" in label
        buys = for_client or "/orders" in label or "/quotes" in label
        self.values = {
            "seller_id": [self.victim.seller["id"]],
            "upstream_ids": [[self.victim.goods.tariff["id"]]],
            "url": [self.stack.urls["selling"], self.stack.urls["reselling"], "http://127.0.0.1:1"],
            "key": [self._seller_key(label)] if "/sellers" in label else [],
            "tariff_id": [(self.shop if buys else self.victim).tariff["id"]],
            "client_id": [(self.client if buys else self.closing).id],
            "service_id": [row["id"] for row in services],
            "order_id": [row["id"] for row in staff.get("/staff/v1/orders", limit=3)["items"]],
            "command_id": [row["id"] for row in commands],
            "staff_id": [self.someone["id"]],
            "job_id": [partial(dead_job, stack.reselling_database)] if "/jobs" in label else [],
            "session_id": self.sessions_to_lose(label) if "/sessions/" in label else [],
            "paid_until": [row["paid_until"] for row in services],
            "difference_id": self._differences(label, services),
            "os": [OS],
            "currency": ["EUR"],
            "reference": [fresh_uuid],
            "email": [self._login(label)[0] if "/login" in label else fresh_email, None],
            "password": [self._login(label)[1]],
            "current_password": [PASSWORD],
            "new_password": [PASSWORD],
            "current": [self.leaver.password],
            "new": [self.leaver.password],
            "trace_id": [row["traceparent"].split("-")[1] for row in commands],
            "kind": ["command"] if failed else [],
            "item_id": failed,
            "to": [self.someone["id"]],
        }

    def _differences(self, label: str, services: list[JSON]) -> list[Callable[[], str]]:
        """Ever new ones to be decided about: an order that is cancelled here, and lives there."""
        if "/differences/" not in label or not services:
            return []
        return [partial(self._cancelled_but_lives, services[0]["id"])]

    def _cancelled_but_lives(self, service_id: str) -> str:
        url = self.stack.reselling_database
        statement = f"UPDATE services SET wanted_life = 'cancelled' WHERE id = '{service_id}'"  # noqa: S608
        execute(url, statement)
        refs = {"service": service_id}
        return make_difference(url, "cancelled_but_lives", refs=refs, evidence={})

    def _failed(self) -> list[str]:
        """Commands that have failed at the seller, which are on the desk."""
        behaviour = "/admin/v1/platforms/simulated/behaviour"
        self.stack.admin.put(behaviour, {"faults": {"create_vm": {"kind": "refused"}}})
        for _ in range(FOR_A_CHANGE):
            self.stack.order(self.client, self.shop)
        wanted = {"state": "failed", "seller_id": self.shop.seller["id"]}
        found = self.stack.wait_until(
            lambda: self.stack.staff.get("/staff/v1/desk", **wanted)["items"], what="a failure"
        )
        self.stack.admin.put(behaviour, {})
        return [item["id"] for item in found]

    def log_in(self, below: str) -> str:
        token = session_of(self.base_url + below, *self._login(below))
        if token is None:
            self.someone = make_person(self.stack.staff, "/staff/v1/staff")
            self.leaver = self.stack.new_client(paid_in=0)
        return token or self.log_in(below)

    def _login(self, label: str) -> tuple[str, str]:
        if "/client/" in label:
            return self.leaver.email, self.leaver.password
        return self.someone["email"], PASSWORD

    def _seller_key(self, label: str) -> str:
        """Of the seller that is connected; for a connection to be, of another installation."""
        if label.startswith("POST"):
            return self.stack.admin.make_key(self.victim.goods.partner["id"])
        return self.victim.goods.key

    def _stand_by(self, label: str) -> None:
        """See to it that there are active services, one of them fit for the verb of the label."""
        rows = [row for row in self.client.services() if row["state"] == "active"]
        active = [row for row in rows if not row["pending"]]
        missing = range(FOR_A_CHANGE - len(active))
        active.extend([self.stack.order_active(self.client, self.shop) for _ in missing])
        caller = self.client if "/client/" in label else self.stack.staff
        below = f"{label.split()[1].split('{', maxsplit=1)[0]}{active[-1]['id']}"
        for verb, body in BEFORE.get(label, ()):
            caller.post(f"{below}/{verb}", body)
