"""A small seller on loopback that speaks the contract, and misbehaves when it is told to."""

import asyncio
import base64
import json
import secrets
import socket
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID, uuid4

import uvicorn

from shared.contract.basics import BASE_PATH, Scope
from shared.contract.events import make_cursor, read_cursor
from shared.contract.problems import WIRE_PROBLEMS
from shared.kit.ids import new_id

Message = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
JSON = {"content-type": "application/json"}
PROBLEM = {"content-type": "application/problem+json"}
NOON = datetime(2031, 5, 1, 12, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Fault:
    """A misbehaviour. `acts`: the wish is carried out all the same, only the answer is spoilt."""

    name: str
    answer: Answer | None = None
    acts: bool = False
    seconds: float = 0.0


def problem(code: str, /, **changes: object) -> Answer:
    known = WIRE_PROBLEMS[code]
    body = {
        "type": known.uri,
        "title": known.title,
        "status": known.status,
        "detail": "…",
        "instance": "/",
        "code": code,
        "outcome": "refused" if known.refused else None,
        "request_id": None,
        "errors": [],
        "blockers": [],
    } | changes
    return known.status, PROBLEM, json.dumps(body).encode()


def answer(status: int, body: object) -> Answer:
    return status, JSON, json.dumps(body).encode()


@dataclass
class FakeSeller:
    """What the seller has: commands it carried out, events, services, and what it saw."""

    key: str = "tps_test_key_0123456789"
    edition: str = "hosting_cloud"
    scopes: set[str] = field(default_factory=lambda: set(Scope))
    contract: tuple[str, str] = ("1.0", "1.3")
    installation_id: UUID = field(default_factory=new_id)
    url: str = ""
    faults: deque[Fault] = field(default_factory=deque)
    stream_faults: deque[Fault] = field(default_factory=deque)
    read_faults: deque[Fault] = field(default_factory=deque)
    service_faults: deque[Fault] = field(default_factory=deque)
    final: dict[str, Answer] = field(default_factory=dict)
    operation_state: str = "queued"
    operations: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    uncancellable: set[str] = field(default_factory=set)
    effects: Counter[str] = field(default_factory=Counter)
    requests: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    hooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    hook_secret: str = ""
    oldest: int = 1
    heartbeat: float = 0.1
    streams: int = 0
    closing: bool = False

    def sent(self, path: str) -> list[tuple[dict[str, str], bytes]]:
        """Headers and bodies of what was sent to this path."""
        return [(headers, body) for _, where, headers, body in self.requests if where == path]

    def operation(self, command_id: str, kind: str, service_ref: str) -> dict[str, Any]:
        return {
            "id": str(new_id()),
            "command_id": command_id,
            "service_ref": service_ref,
            "kind": kind,
            "state": self.operation_state,
            "progress": 0,
            "attempts": 0,
            "created_at": NOON.isoformat(),
            "started_at": None,
            "finished_at": None,
            "result": None,
            "problem": None,
        }

    def emit(self, **changes: object) -> dict[str, Any]:
        """Add an event to the feed; its number follows the last one."""
        number = self.oldest + len(self.events)
        event_id = new_id()
        event: dict[str, Any] = {
            "number": number,
            "id": str(event_id),
            "cursor": make_cursor(number=number, event_id=event_id),
            "type": "service.started",
            "at": NOON.isoformat(),
            "installation_id": str(self.installation_id),
            "client_ref": None,
            "service_ref": None,
            "operation_id": None,
            "command_id": None,
            "traceparent": None,
            "service": None,
            "operation": None,
        } | changes
        self.events.append(event)
        return event

    async def __call__(
        self, scope: Message, receive: Callable[[], Any], send: Callable[[Message], Any]
    ) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        path = scope["path"].removeprefix(BASE_PATH)
        self.requests.append((scope["method"], path, headers, body))
        if path == "/events/stream" and headers.get("authorization") == f"Bearer {self.key}":
            await self._stream(headers, send)
            return
        query = {name: value[0] for name, value in parse_qs(scope["query_string"].decode()).items()}
        fault = self._fault(scope["method"], path)
        if fault is not None and not fault.acts:
            await _misbehave(fault, send, fault.answer)
            return
        found = self._answer(scope["method"], path, headers, body, query)
        if fault is not None:
            await _misbehave(fault, send, fault.answer or found)
        else:
            await _respond(send, found)

    def _fault(self, method: str, path: str) -> Fault | None:
        one = self.service_faults if path.startswith("/services/") else self.read_faults
        queue = self.faults if method == "POST" else one
        return queue.popleft() if queue else None

    def _answer(
        self, method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, str]
    ) -> Answer:
        if headers.get("authorization") != f"Bearer {self.key}":
            return problem("unauthorized")
        if path.startswith("/webhook-endpoints"):
            return self._hook(method, path, body)
        if method == "POST" and path.startswith("/commands/"):
            return self._cancel(path.split("/")[2])
        if method == "POST":
            return self._command(path, headers.get("idempotency-key"), body)
        return self._read(path, query)

    def _read(self, path: str, query: dict[str, str]) -> Answer:
        if path.startswith("/commands/"):
            return self._record(path.split("/")[2])
        reads: dict[str, Callable[[], Answer]] = {
            "/about": lambda: answer(200, self._about()),
            "/events": lambda: self._events(query),
            "/inventory": lambda: answer(200, self._inventory()),
        }
        if path in reads:
            return reads[path]()
        found = self.services.get(path.removeprefix("/services/"))
        return problem("not_found") if found is None else answer(200, found)

    def _hook(self, method: str, path: str, body: bytes) -> Answer:
        """Endpoints for hints: one per address, with a secret that changes."""
        if method == "DELETE":
            self.hooks.pop(path.split("/")[2], None)
            return 204, {}, b""
        if method == "GET":
            return answer(200, {"items": list(self.hooks.values()), "next": None})
        if path.endswith("/rotate-secret"):
            hook = self.hooks[path.split("/")[2]]
        else:
            url = json.loads(body)["url"]
            if url in [each["url"] for each in self.hooks.values()]:
                return problem("webhook_exists")
            hook = {"id": str(new_id()), "url": url, "state": "active", "problem": None}
            hook |= {"old_secret_until": None, "created_at": NOON.isoformat()}
            self.hooks[hook["id"]] = hook
        self.hook_secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
        return answer(201, hook | {"secret": self.hook_secret})

    def _about(self) -> dict[str, Any]:
        return {
            "product": "fake",
            "edition": self.edition,
            "contract_min": self.contract[0],
            "contract_max": self.contract[1],
            "capabilities": {"panel": False},
            "currency": "EUR",
            "server_time": NOON.isoformat(),
            "expiry_slack_seconds": 900,
            "retention_seconds": 3600,
            "installation_id": str(self.installation_id),
            "partner_state": "active",
            "scopes": sorted(self.scopes),
        }

    def _command(self, path: str, command_id: str | None, body: bytes) -> Answer:
        if command_id is None:
            return problem("idempotency_key_missing")
        if command_id in self.cancelled:
            return problem("command_cancelled")
        if path in self.final:
            return self.final[path]
        kind = "order" if path == "/services" else path.split("/")[3]
        ref = json.loads(body)["service_ref"] if kind == "order" else path.split("/")[2]
        if command_id not in self.operations:
            self.effects[command_id] += 1
            self.operations[command_id] = self.operation(command_id, kind, ref)
        return answer(202, self.operations[command_id])

    def _cancel(self, command_id: str) -> Answer:
        if command_id in self.uncancellable:
            return problem("command_not_cancellable")
        self.cancelled.add(command_id)
        if command_id in self.operations:
            self.operations[command_id]["state"] = "cancelled"
        return answer(200, self._remembered(command_id, "cancelled"))

    def _remembered(self, command_id: str, state: str) -> dict[str, Any]:
        return {
            "command_id": command_id,
            "state": state,
            "received_at": NOON.isoformat(),
            "operation": self.operations.get(command_id),
            "problem": None,
        }

    def _record(self, command_id: str) -> Answer:
        if command_id in self.cancelled:
            return answer(200, self._remembered(command_id, "cancelled"))
        if command_id in self.operations:
            return answer(200, self._remembered(command_id, "accepted"))
        return problem("not_found")

    def _after(self, cursor: str | None) -> int | Answer:
        if cursor is None:
            return self.oldest - 1
        number, tail = read_cursor(cursor)
        if number < self.oldest - 1:
            return problem("cursor_expired")
        known = next((event for event in self.events if event["number"] == number), None)
        if known is None or not known["cursor"].endswith(tail):
            return problem("cursor_lost")
        return number

    def _events(self, query: dict[str, str]) -> Answer:
        after = self._after(query.get("after"))
        if not isinstance(after, int):
            return after
        items = [event for event in self.events if event["number"] > after]
        items = items[: int(query["limit"])]
        following = items[-1]["cursor"] if items else query.get("after")
        return answer(200, {"items": items, "next": following, "head": self._head()})

    def _head(self) -> str | None:
        return self.events[-1]["cursor"] if self.events else None

    def _inventory(self) -> dict[str, Any]:
        fields = ("service_ref", "client_ref", "revision", "state", "power", "paid_until")
        items = [
            {name: service[name] for name in fields}
            | {"installation_id": str(self.installation_id), "suspended_by": []}
            for service in self.services.values()
        ]
        return {"items": items, "next": None, "head": self._head()}

    async def _stream(self, headers: dict[str, str], send: Callable[[Message], Any]) -> None:
        fault = self.stream_faults.popleft() if self.stream_faults else None
        after = self._after(headers.get("last-event-id"))
        if fault is not None or not isinstance(after, int):
            refusal = after if not isinstance(after, int) else None
            spoilt = fault or Fault("refuse")
            await _misbehave(spoilt, send, refusal or spoilt.answer)
            return
        self.streams += 1
        sse = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": sse})
        beat = 0.0
        while not self.closing:
            fresh = [event for event in self.events if event["number"] > after]
            for event in fresh:
                text = (
                    f"id: {event['cursor']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
                )
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
                after = event["number"]
            if beat >= self.heartbeat:
                await send({"type": "http.response.body", "body": b": .\n\n", "more_body": True})
                beat = 0.0
            await asyncio.sleep(0.01)
            beat += 0.01
        await send({"type": "http.response.body", "body": b""})


async def _respond(send: Callable[[Message], Any], found: Answer) -> None:
    status, headers, body = found
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    raw.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


async def _misbehave(fault: Fault, send: Callable[[Message], Any], found: Answer | None) -> None:
    await asyncio.sleep(fault.seconds)
    if fault.name == "drop":
        send.__self__.transport.abort()  # type: ignore[attr-defined]  # uvicorn's own cycle
    elif fault.name == "truncate" and found is not None:
        await _respond(send, (found[0], found[1], found[2][: len(found[2]) // 2]))
    elif found is not None:
        await _respond(send, found)
    else:
        await _respond(send, (500, {"content-type": "text/plain"}, b"oops"))


@asynccontextmanager
async def serve(seller: FakeSeller) -> AsyncIterator[FakeSeller]:
    """Let the seller listen on a free port of loopback while the block runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(seller, log_config=None, lifespan="off", timeout_graceful_shutdown=2)
    server = uvicorn.Server(config)
    seller.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield seller
    finally:
        seller.closing = True
        server.should_exit = True
        await running
        listener.close()


def new_status(service_ref: UUID | None = None, **changes: object) -> dict[str, Any]:
    """A service's public state as the wire has it."""
    return {
        "service_ref": str(service_ref or uuid4()),
        "client_ref": str(uuid4()),
        "revision": 1,
        "state": "active",
        "power": "running",
        "wanted_power": "running",
        "suspensions": [],
        "tariff_id": str(new_id()),
        "tariff_version": 1,
        "period": "month",
        "activated_at": NOON.isoformat(),
        "paid_until": datetime(2031, 6, 1, 12, tzinfo=UTC).isoformat(),
        "terminate_at": None,
        "terminated_at": None,
        "delete_at": None,
        "facts": {"vcpu": 1, "ram_mib": 512, "disk_gib": 5, "ipv4": [], "os": "debian-12"},
    } | changes
