"""The provider of a running pair as what made-up requests are sent to."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from local_stack.demo.callers import JSON, Caller
from tests.contract.differences import make_difference
from tests.contract.world import (
    FOR_A_CHANGE,
    PASSWORD,
    PLENTY,
    Values,
    World,
    dead_job,
    fresh_email,
    fresh_name,
    fresh_uuid,
    make_person,
    session_of,
    some_of,
)
from tests.journeys.stack import OS, Goods

HOOKS = "/partner/v1/webhook-endpoints"
PLENTY_OF_STOCK = 1000
VICTIM_OS = "rocky-9"
# What must have been done to a service for a command on it to succeed.
BEFORE = {
    "POST /partner/v1/services/{service_ref}/resume": [
        ("suspend", {"actor": "client"}),
        ("suspend", {"actor": "partner"}),
    ],
    "POST /partner/v1/services/{service_ref}/restore": [("terminate", {"when": "period_end"})],
    "POST /admin/v1/services/{service_ref}/resume": [
        ("suspend", {"actor": "provider"}),
        ("suspend", {"actor": "abuse"}),
    ],
    "POST /admin/v1/services/{service_ref}/restore": [("terminate", {"when": "period_end"})],
}


@dataclass
class SellingWorld(World):
    """The provider: a partner that orders, and another one that staff may do anything to."""

    def __post_init__(self) -> None:
        stack = self.stack
        self.base_url = stack.urls["selling"]
        self.own = stack.provision_catalogue(paid_in=PLENTY)
        self.victim = stack.provision_catalogue(paid_in=PLENTY)
        stack.admin.make_os_template(VICTIM_OS, title="Rocky 9", image=OS)
        self.partner = Caller(self.base_url)
        self.partner.bear(self.own.key)
        self.someone = make_person(stack.admin, "/admin/v1/staff")
        token = stack.admin.http.headers["Authorization"].removeprefix("Bearer ")
        self.tokens = {"partner_key": self.own.key, "staff_session": token}
        self.strangers = {"partner_key": stack.admin.make_partner(fresh_name())[1]}

    def look(self, label: str) -> None:
        admin, own, victim = self.stack.admin, self.own, self.victim
        if "/behaviour" in self.label:
            admin.put("/admin/v1/platforms/simulated/behaviour", {})
        if "/services/{" in label or "/differences/" in label:
            self._stand_by(label)
        if label.endswith("/stock/adjust"):
            path = f"/admin/v1/tariffs/{victim.tariff['id']}/stock"
            admin.put(path, {"stock": PLENTY_OF_STOCK})
        services = some_of(admin.services(own.partner["id"]), turn=self.turn)
        query: dict[str, str | int] = {"partner_id": own.partner["id"], "limit": 3}
        done = admin.get("/admin/v1/operations", **query)["items"]
        installation_id, key_id = self._new_key() if "/keys" in label else ("", "")
        failed = self._failed() if "/desk" in label else []
        endpoint_id, delivery_ids = self._hooks() if "/webhook" in label else ("", [])
        for_partner = "/partner/" in label
        orders = label == "POST /partner/v1/services"
        self.values = self._of_anybody(label) | {
            "partner_id": [victim.partner["id"]],
            "tariff_id": [(own if for_partner or "/offers" in label else victim).tariff["id"]],
            "tariff_version": [1],
            "installation_id": [installation_id],
            "key_id": [key_id],
            "staff_id": [self.someone["id"]],
            "job_id": [partial(dead_job, self.stack.selling_database)] if "/jobs" in label else [],
            "session_id": self.sessions_to_lose(label) if "/sessions/" in label else [],
            "data_center_id": [victim.data_center["id"]],
            "code": [VICTIM_OS if "/os-templates/" in label else fresh_name, None],
            "service_id": [row["id"] for row in services],
            "service_ref": [fresh_uuid if orders else row["service_ref"] for row in services],
            "client_ref": self._unused_accounts()
            if label.startswith("DELETE /partner/v1/accounts")
            else [row["client_ref"] for row in services],
            "endpoint_id": [endpoint_id],
            "delivery_id": delivery_ids,
            "from": [row["paid_until"] for row in services],
            "operation_id": [row["id"] for row in done],
            "command_id": commands_of(label, done),
            "difference_id": self._differences(label, services),
            "os": [OS],
            "os_templates": [] if "/load" in label else [[OS]],
            "data_center": [own.data_center["code"]],
            "partner": [victim.partner["name"]],
            "tariff": [own.tariff["code"]],
            "trace_id": [row["traceparent"].split("-")[1] for row in done],
            "kind": ["operation"] if failed else [],
            "item_id": failed,
            "to": [self.someone["id"]],
        }

    def _of_anybody(self, label: str) -> Values:
        """What is the same whatever there is."""
        return {
            "reference": [fresh_uuid],
            "name": [fresh_name, None],
            "Idempotency-Key": [fresh_uuid],
            "url": [fresh_hook],
            "by": [5],
            "max_price": [{"amount": PLENTY, "currency": "EUR"}],
            "email": [self.someone["email"] if "/login" in label else fresh_email, None],
            "password": [PASSWORD],
            "current_password": [PASSWORD],
            "new_password": [PASSWORD],
        }

    def log_in(self, below: str) -> str:
        token = session_of(self.base_url + below, self.someone["email"], PASSWORD)
        if token is None:
            self.someone = make_person(self.stack.admin, "/admin/v1/staff")
        return token or self.log_in(below)

    def _new_key(self) -> tuple[str, str]:
        """A new installation of the victim, and a key of it."""
        path = f"/admin/v1/partners/{self.victim.partner['id']}"
        installation = self.stack.admin.post(f"{path}/installations", {"name": fresh_name()})
        key = {"installation_id": installation["id"], "name": "spare", "scopes": ["money:read"]}
        return installation["id"], self.stack.admin.post(f"{path}/keys", key)["id"]

    def _differences(self, label: str, services: list[JSON]) -> list[Callable[[], str]]:
        """Ever new ones to be decided about: a VM that stands as its service does."""
        if "/differences/" not in label or not services:
            return []
        evidence = {"platform": {"power": services[0]["power"]}}
        refs = {"service": services[0]["id"]}
        url = self.stack.selling_database
        return [partial(make_difference, url, "vm_power", refs=refs, evidence=evidence)]

    def _unused_accounts(self) -> list[str]:
        """Accounts that can be closed."""
        refs = [fresh_uuid() for _ in range(3)]
        for ref in refs:
            self.partner.put(f"/partner/v1/accounts/{ref}", {})
        return refs

    def _failed(self) -> list[str]:
        """Orders that failed for good, which are on the desk."""
        behaviour = "/admin/v1/platforms/simulated/behaviour"
        self.stack.admin.put(behaviour, {"faults": {"create_vm": {"kind": "refused"}}})
        for _ in range(FOR_A_CHANGE):
            self.partner.post("/partner/v1/services", order_of(self.own), key=fresh_uuid())
        wanted = {"state": "failed", "partner_id": self.own.partner["id"]}
        found = self.stack.wait_until(
            lambda: self.stack.admin.get("/admin/v1/desk", **wanted)["items"], what="a failure"
        )
        self.stack.admin.put(behaviour, {})
        return [item["id"] for item in found]

    def _hooks(self) -> tuple[str, list[str]]:
        """The newest endpoint for hints, with a hint that was made for it; the others go."""
        for old in self.partner.get(HOOKS)["items"]:
            self.partner.http.delete(f"{HOOKS}/{old['id']}")
        made = self.partner.post(HOOKS, {"url": fresh_hook()})
        order = order_of(self.own)
        self.partner.post("/partner/v1/services", order, key=fresh_uuid())
        path = f"{HOOKS}/{made['id']}/deliveries"
        hints = self.stack.wait_until(lambda: self.partner.get(path)["items"], what="a hint")
        return made["id"], [hint["id"] for hint in hints]

    def _stand_by(self, label: str) -> None:
        """See to it that there are active services, one of them fit for the verb of the label."""
        path = "/partner/v1/services"
        active = self.partner.get(path, state="active", limit=FOR_A_CHANGE)["items"]
        for _ in range(FOR_A_CHANGE - len(active)):
            order = order_of(self.own)
            self.partner.post(path, order, key=fresh_uuid())
            self.stack.wait_until(partial(self._is_active, order["service_ref"]))
        caller, below = self.partner, path
        if "/admin/" in label:
            caller, below = self.stack.admin, "/admin/v1/services"
        newest = caller.every(below, state="active")[-1]
        id_ = newest["id" if "/admin/" in label else "service_ref"]
        for verb, body in BEFORE.get(label.replace("{service_id}", "{service_ref}"), ()):
            caller.post(f"{below}/{id_}/{verb}", body, key=fresh_uuid())

    def _is_active(self, service_ref: str) -> bool:
        state: str = self.partner.get(f"/partner/v1/services/{service_ref}")["state"]
        return state == "active"


def order_of(goods: Goods) -> dict[str, Any]:
    """An order of the contract that will be carried out."""
    return {
        "service_ref": fresh_uuid(),
        "client_ref": fresh_uuid(),
        "tariff_id": goods.tariff["id"],
        "tariff_version": 1,
        "period": "month",
        "options": {"os": OS, "hostname": "web-1.example.com"},
        "max_price": {"amount": PLENTY, "currency": "EUR"},
    }


def fresh_hook() -> str:
    """An address for hints that is new, and that leads nowhere."""
    return f"https://localhost/{fresh_name()}"


def commands_of(label: str, done: list[JSON]) -> list[Any]:
    """Ids of commands: what has ended can't be cancelled, what was never seen can."""
    if label.endswith("/cancel"):
        return [fresh_uuid]
    return [*(row["command_id"] for row in done if row["command_id"]), fresh_uuid]
