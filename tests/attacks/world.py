"""What attackers find: two partners and two clients with something to lose, and how it is watched.

Everything goes over real HTTP to real processes. `unchanged` compares the databases before and
after: of a refused attack nothing may remain but the memory that it was refused.
"""

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
from sqlalchemy import make_url

from local_stack.demo.callers import Client
from shared.contract.problems import PROBLEM_MEDIA_TYPE
from tests.journeys.stack import OS, Goods, Shop, Stack

# Rows that live by themselves, or that remember a refusal or a login.
RESTLESS = {
    "audit_entries",
    "audit_head",
    "client_lockouts",
    "client_sessions",
    "data_centers",
    "jobs",
    "platforms",
    "received_commands",
    "seller_feeds",
    "sellers",
    "staff_lockouts",
    "staff_sessions",
    "workers",
}
PLENTY = 10**9


@dataclass
class World:
    """A partner that attacks (`mallory`), one that is attacked (`alice`), and their services."""

    stack: Stack
    alice: Goods = field(init=False)
    mallory: Goods = field(init=False)
    shop: Shop = field(init=False)
    anna: Client = field(init=False)
    mike: Client = field(init=False)
    service_id: str = field(init=False)

    def __post_init__(self) -> None:
        stack = self.stack
        self.alice = stack.provision_catalogue(paid_in=PLENTY)
        self.mallory = stack.provision_catalogue(paid_in=PLENTY)
        self.shop = stack.connect(self.alice)
        self.anna = stack.new_client(name="Anna")
        self.mike = stack.new_client(name="Mike")
        self.service_id = stack.order_active(self.anna, self.shop)["id"]
        self.alices_ref: str = stack.upstream(self.shop, self.service_id)["service_ref"]
        self.mallorys_ref = self.new_service(self.mallory)

    # ------------------------------------------------------------------------------------- asking

    def ask(
        self,
        method: str,
        path: str,
        *,
        by: Goods | str | None = None,
        command: str | None = None,
        headers: Mapping[str, str] | None = None,
        at: str = "selling",
        **more: Any,
    ) -> httpx.Response:
        """Ask with a partner's key, a token or nothing; `command` is the Idempotency-Key."""
        token = by.key if isinstance(by, Goods) else by
        told = {"Authorization": f"Bearer {token}"} if token else {}
        if command is not None:
            told["Idempotency-Key"] = command
        told |= headers or {}
        url = self.stack.urls[at] + path
        return httpx.request(method, url, headers=told, timeout=20, trust_env=False, **more)

    def send(
        self, verb: str, body: Any, *, ref: str | None = None, by: Goods | None = None, **more: Any
    ) -> httpx.Response:
        """Send a command on a service: Mallory's own, unless said otherwise."""
        path = f"/partner/v1/services/{ref or self.mallorys_ref}/{verb}"
        command = more.pop("command", str(uuid4()))
        return self.ask("POST", path, by=by or self.mallory, command=command, json=body, **more)

    def order(self, goods: Goods | None = None, **changes: Any) -> dict[str, Any]:
        """An order of this partner that would be carried out."""
        goods = goods or self.mallory
        return {
            "service_ref": str(uuid4()),
            "client_ref": str(uuid4()),
            "tariff_id": goods.tariff["id"],
            "tariff_version": 1,
            "period": "month",
            "options": {"os": OS, "hostname": "web-1.example.com"},
            "max_price": {"amount": PLENTY, "currency": "EUR"},
        } | changes

    def place(self, order: Any, *, by: Goods | None = None, **more: Any) -> httpx.Response:
        """Send an order."""
        command = more.pop("command", str(uuid4()))
        path = "/partner/v1/services"
        return self.ask("POST", path, by=by or self.mallory, command=command, json=order, **more)

    def place_raw(self, body: bytes, **headers: str) -> httpx.Response:
        """Send bytes as an order."""
        told = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return self.ask(
            "POST",
            "/partner/v1/services",
            by=self.mallory,
            command=str(uuid4()),
            headers=told,
            content=body,
        )

    def new_service(self, goods: Goods) -> str:
        """An active service of this partner; its reference."""
        order = self.order(goods)
        assert self.place(order, by=goods).status_code == 202
        ref: str = order["service_ref"]
        self.stack.wait_until(lambda: self.state(ref, by=goods) == "active", what="active")
        return ref

    def state(self, ref: str, *, by: Goods | None = None) -> str:
        """The state of a service as its partner sees it."""
        answer = self.ask("GET", f"/partner/v1/services/{ref}", by=by or self.mallory)
        found: str = answer.json()["state"]
        return found

    def raw(self, *parts: bytes, at: str = "selling") -> bytes:
        """Send bytes over a connection of our own; everything that comes until it ends."""
        with socket.create_connection(("127.0.0.1", self.stack.ports[at]), timeout=10) as line:
            line.sendall(b"".join(parts))
            found = bytearray()
            with contextlib.suppress(ConnectionError):
                while part := line.recv(65536):
                    found += part
            return bytes(found)

    # ----------------------------------------------------------------------------------- watching

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """Nothing is different after the block, on either side, once what went before is done."""
        before = self.stack.wait_until(self._at_rest, what="what others left under way")
        yield
        after = self.picture()
        assert [name for name in before if before[name] != after[name]] == []

    def _at_rest(self) -> dict[str, str] | None:
        """A picture without work under way; None as long as there is some."""
        found = self.picture()
        work, told, heard = (
            found["selling: work"],
            found["selling: told"],
            found["reselling: heard"],
        )
        return found if work == "0" and told == heard else None

    def picture(self) -> dict[str, str]:
        """A digest of each table that rests while nobody does anything."""
        return asyncio.run(self._picture())

    async def _picture(self) -> dict[str, str]:
        alice = self.alice.partner["id"]
        work = "state IN ('queued', 'running', 'waiting')"
        halves = await asyncio.gather(
            _digests(
                "selling",
                self.stack.selling_database,
                work=f"SELECT count(*)::text FROM operations WHERE {work}",  # noqa: S608
                told=f"SELECT max(number)::text FROM events WHERE partner_id = '{alice}'",  # noqa: S608
            ),
            _digests(
                "reselling",
                self.stack.reselling_database,
                heard="SELECT max(number)::text FROM seller_feeds",
            ),
        )
        return {**halves[0], **halves[1]}


_STATEMENTS: dict[str, str] = {}


async def _digests(half: str, url: str, **besides: str) -> dict[str, str]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = await asyncpg.connect(plain)
    try:
        if url not in _STATEMENTS:
            names = await connection.fetch(
                "SELECT tablename AS name FROM pg_tables WHERE schemaname = 'public'"
            )
            _STATEMENTS[url] = " UNION ALL ".join(
                f"SELECT '{half}.{name}', md5(string_agg(t::text, '|' ORDER BY t::text))"  # noqa: S608
                f" FROM {name} t"
                for (name,) in names
                if name not in RESTLESS
            )
            for name, statement in besides.items():
                _STATEMENTS[url] += f" UNION ALL SELECT '{half}: {name}', ({statement})"
        return dict(tuple(row) for row in await connection.fetch(_STATEMENTS[url]))
    finally:
        await connection.close()


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a problem, which must be a clean one."""
    assert answer.headers["content-type"] == PROBLEM_MEDIA_TYPE, answer.text[:500]
    assert answer.headers["x-content-type-options"] == "nosniff"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["detail"]
    return answer.status_code, body["code"]


def raw_problem(answer: bytes) -> tuple[int, str]:
    """The same of bytes; there must be one answer and no more."""
    assert len(re.findall(rb"HTTP/1\.1 \d{3} ", answer)) == 1, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert PROBLEM_MEDIA_TYPE.encode() in head
    return int(head.split()[1]), json.loads(body)["code"]
