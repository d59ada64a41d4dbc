"""Speaks HTTP with both services in the name of their people; whatever it didn't expect is raised.

Only public routes. What the answers mean for the story is the story's affair.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import uuid4

import httpx

Found = TypeVar("Found")
JSON = dict[str, Any]

TIMEOUT = 20.0
SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 0.25
ALL_SCOPES = [
    "services:read",
    "services:order",
    "services:manage",
    "events:read",
    "money:read",
]


class Surprise(Exception):
    """Something is not as the story says."""


def wait_for(
    what: str, look: Callable[[], Found | None], *, seconds: float = 60.0
) -> tuple[Found, float]:
    """Look until there is something; it, and the seconds that it took. Raises Surprise."""
    began = time.monotonic()
    while True:
        found = look()
        took = time.monotonic() - began
        if found:
            return found, took
        if took > seconds:
            raise Surprise(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(pause_after(took))


def pause_after(took: float) -> float:
    """Seconds until the next look: an eighth of those so far, so that looking burdens nobody."""
    return min(max(SHORTEST_PAUSE, took / 8), LONGEST_PAUSE)


class Caller:
    """One person with a session of theirs. Every answer that isn't a success is a Surprise.

    `heard` keeps the text of every answer, so that what somebody saw can be searched.
    """

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=TIMEOUT, trust_env=False)
        self.heard: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()

    def bear(self, token: str) -> None:
        """Show this token from now on."""
        self.http.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str, **query: str | int) -> JSON:
        """Read something."""
        return self._good(self.http.get(path, params=query))

    def every(self, path: str, **query: str | int) -> list[JSON]:
        """Read a whole list, page by page."""
        items: list[JSON] = []
        after: str | None = None
        while True:
            position = {"after": after} if after else {}
            page = self.get(path, **query, limit=100, **position)
            items += page["items"]
            after = page["next"]
            if after is None:
                return items

    def post(
        self, path: str, body: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> JSON:
        """Do something; `key` makes a repetition the same wish."""
        return self._good(self.http.post(path, json=body, headers=_key(key)))

    def put(self, path: str, body: Mapping[str, Any]) -> JSON:
        """Set something."""
        return self._good(self.http.put(path, json=body))

    def patch(self, path: str, body: Mapping[str, Any]) -> JSON:
        """Change something."""
        return self._good(self.http.patch(path, json=body))

    def refused(
        self, code: str, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> JSON:
        """Try what must not be possible; the problem, which must have this code."""
        answer = self.http.request(method, path, json=body)
        self.heard.append(answer.text)
        problem = _json(answer)
        if answer.is_success or problem.get("code") != code:
            raise Surprise(
                f"{method} {path} should have been refused with {code}, "
                f"but was answered {answer.status_code} {answer.text[:500]}"
            )
        return problem

    def _good(self, answer: httpx.Response) -> JSON:
        self.heard.append(answer.text)
        if not answer.is_success:
            request = answer.request
            raise Surprise(
                f"{request.method} {request.url.path} was answered "
                f"{answer.status_code} {answer.text[:500]}"
            )
        return _json(answer)


def _key(key: str | None) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}


def _json(answer: httpx.Response) -> JSON:
    if not answer.content:
        return {}
    try:
        found = answer.json()
    except ValueError as error:
        raise Surprise(
            f"{answer.request.url.path} answered no JSON: {answer.text[:200]}"
        ) from error
    return found if isinstance(found, dict) else {"items": found}


def euros(amount: int) -> JSON:
    """Return money of the contract; `amount` in cents."""
    return {"amount": amount, "currency": "EUR"}


class Provider(Caller):
    """The provider's staff."""

    def log_in(self, email: str, password: str) -> None:
        """Get a session of the admin API."""
        body = {"email": email, "password": password}
        self.bear(self.post("/admin/v1/login", body)["token"])

    def make_data_center(self, code: str, *, platform: str = "simulated") -> JSON:
        """Open a place for VMs; it, once the platform has told how much room there is."""
        body = {"code": code, "title": f"Data centre {code}", "platform": platform}
        place = self.post("/admin/v1/data-centers", body)

        def look() -> JSON | None:
            every = self.get("/admin/v1/data-centers")["items"]
            return next(
                (row for row in every if row["id"] == place["id"] and row["refreshed_at"]), None
            )

        return wait_for(f"the room of {code}", look)[0]

    def every_os_template(self) -> list[JSON]:
        """Read the operating systems that are offered."""
        items: list[JSON] = self.get("/admin/v1/os-templates")["items"]
        return items

    def make_os_template(self, code: str, *, title: str, image: str) -> JSON:
        """Offer an operating system."""
        return self.post("/admin/v1/os-templates", {"code": code, "title": title, "image": image})

    def make_tariff(
        self,
        code: str,
        *,
        title: str,
        data_center: str,
        os_templates: list[str],
        prices: Mapping[str, int],
        setup_fee: int = 0,
        vcpu: int = 1,
        ram_mib: int = 1024,
        disk_gib: int = 10,
        stock: int | None = None,
    ) -> JSON:
        """Put a tariff on sale; `prices` and `setup_fee` in cents."""
        priced = {
            period: {"price": str(price), "setup_fee": str(setup_fee)}
            for period, price in prices.items()
        }
        body = {
            "code": code,
            "title": title,
            "data_center": data_center,
            "vcpu": vcpu,
            "ram_mib": ram_mib,
            "disk_gib": disk_gib,
            "ipv4": 1,
            "os_templates": os_templates,
            "prices": priced,
            "stock": stock,
        }
        return self.post("/admin/v1/tariffs", body)

    def make_partner(self, name: str) -> tuple[JSON, str]:
        """Make a partner with an installation; it, and the key's token."""
        partner = self.post("/admin/v1/partners", {"name": name})
        return partner, self.make_key(partner["id"])

    def make_key(self, partner_id: str, *, scopes: list[str] | None = None) -> str:
        """Make a new installation of a partner and a key for it; the key's token."""
        path = f"/admin/v1/partners/{partner_id}"
        name = secrets.token_hex(4)
        installation = self.post(f"{path}/installations", {"name": name})
        body = {
            "installation_id": installation["id"],
            "name": "first",
            "scopes": scopes or ALL_SCOPES,
        }
        token: str = self.post(f"{path}/keys", body)["token"]
        return token

    def offer(self, partner_id: str, tariff_id: str, *, discount_percent: str = "0") -> JSON:
        """Let a partner resell a tariff."""
        path = f"/admin/v1/partners/{partner_id}/offers/{tariff_id}"
        return self.put(path, {"discount_percent": discount_percent})

    def top_up(self, partner_id: str, amount: int) -> JSON:
        """Enter a partner's payment, in cents."""
        body = {"reference": str(uuid4()), "amount": amount, "text": "Bank transfer"}
        return self.post(f"/admin/v1/partners/{partner_id}/top-ups", body)

    def balance(self, partner_id: str) -> JSON:
        """Read what a partner has."""
        return self.get(f"/admin/v1/partners/{partner_id}/balance")

    def services(self, partner_id: str) -> list[JSON]:
        """Read all services of a partner."""
        return self.every("/admin/v1/services", partner_id=partner_id)

    def service(self, service_ref: str, partner_id: str) -> JSON:
        """Read one service by the partner's reference."""
        for service in self.services(partner_id):
            if service["service_ref"] == service_ref:
                return service
        raise Surprise(f"the provider knows no service {service_ref}")

    def move_clock(self, seconds: int) -> JSON:
        """Move the provider's sandbox on."""
        return self.post("/admin/v1/clock", {"advance_seconds": seconds})


class Reseller(Caller):
    """The reseller's staff."""

    def log_in(self, email: str, password: str) -> None:
        """Get a session of the staff's API."""
        body = {"email": email, "password": password}
        self.bear(self.post("/staff/v1/login", body)["token"])

    def connect(self, name: str, *, url: str, key: str) -> JSON:
        """Connect a seller."""
        return self.post("/staff/v1/sellers", {"name": name, "url": url, "key": key})

    def import_tariffs(
        self, seller_id: str, *, markup_percent: str, names: Mapping[str, str] | None = None
    ) -> list[JSON]:
        """Import everything that the seller offers, and put it on sale; our tariffs."""
        body = {"markup_percent": markup_percent, "names": dict(names or {}), "enable": True}
        self.post(f"/staff/v1/sellers/{seller_id}/import", body)
        return self.every("/staff/v1/tariffs", seller_id=seller_id)

    def top_up(self, client_id: str, amount: int) -> JSON:
        """Enter a client's payment, in cents."""
        body = {"reference": str(uuid4()), "amount": euros(amount), "text": "Bank transfer"}
        return self.post(f"/staff/v1/clients/{client_id}/top-ups", body)

    def service(self, service_id: str) -> JSON:
        """Read one service with what is wanted and heard."""
        return self.get(f"/staff/v1/services/{service_id}")

    def wish(self, service_id: str, verb: str, body: Mapping[str, Any] | None = None) -> JSON:
        """Suspend, resume, start … in the house's name."""
        return self.post(f"/staff/v1/services/{service_id}/{verb}", body)

    def move_clock(self, seconds: int) -> JSON:
        """Move the reseller's sandbox on."""
        return self.post("/staff/v1/clock", {"advance_seconds": seconds})


class Client(Caller):
    """An end client of the reseller."""

    def __init__(self, url: str, *, name: str, email: str) -> None:
        super().__init__(url)
        self.name = name
        self.email = email
        self.password = secrets.token_urlsafe(16)
        self.id = ""

    def sign_up(self) -> None:
        """Become a client and get a session."""
        body = {"email": self.email, "name": self.name, "password": self.password}
        session = self.post("/client/v1/sign-up", body)
        self.id = session["client_id"]
        self.bear(session["token"])

    def log_in(self) -> None:
        """Get another session."""
        body = {"email": self.email, "password": self.password}
        self.bear(self.post("/client/v1/login", body)["token"])

    def order(
        self,
        tariff_id: str,
        *,
        hostname: str,
        os: str,
        period: str = "month",
        auto_renew: bool = False,
        key: str | None = None,
        **options: object,
    ) -> JSON:
        """Order a VM; the order. `key` makes a repeated click the same order."""
        body = {
            "tariff_id": tariff_id,
            "period": period,
            "auto_renew": auto_renew,
            "options": {"os": os, "hostname": hostname, **options},
        }
        return self.post("/client/v1/orders", body, key=key)

    def services(self) -> list[JSON]:
        """Read one's own services."""
        return self.every("/client/v1/services")

    def service(self, service_id: str) -> JSON:
        """Read one of one's own services."""
        return self.get(f"/client/v1/services/{service_id}")

    def wish(self, service_id: str, verb: str, body: Mapping[str, Any] | None = None) -> JSON:
        """Suspend, resume, start … one's own service."""
        return self.post(f"/client/v1/services/{service_id}/{verb}", body)

    def balance(self) -> int:
        """Read what is on one's account, in cents."""
        amount: int = self.get("/client/v1/balance")["balance"]["amount"]
        return amount

    def wait_until(
        self, service_id: str, *, seconds: float = 60.0, settled: bool = True, **wanted: object
    ) -> tuple[JSON, float]:
        """Wait until the service looks so (and nothing is under way); it, and how long it took."""

        def look() -> JSON | None:
            service = self.service(service_id)
            fits = all(service[name] == value for name, value in wanted.items())
            return service if fits and not (settled and service["pending"]) else None

        return wait_for(f"{service_id} with {wanted}", look, seconds=seconds)
