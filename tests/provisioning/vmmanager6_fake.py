"""A VMmanager 6 as its documentation tells: logins, lists, tasks, and what it is silent about.

No real one was available. What the documentation leaves open is decided here in the way that is
worse for us: a task isn't listed at once, a smaller disk and a filter on an unknown field are
ignored without a word, and numbers of deleted VMs are used again.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Row = dict[str, Any]
EMAIL, PASSWORD = "admin@example.com", "provider's own"
CLUSTER, SYSTEM, POOL = 3, 17, 5
_FILTER = re.compile(r"^(\w+) EQ '?([^']*)'?$")


def error(status: int, code: int, msg: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "msg": msg, "value": ""}}, status)


@dataclass
class Task:
    """Ends after it was asked for so often; then `effect` comes true, unless it fails."""

    effect: Callable[[], None]
    looks_left: int = 2
    fails: str = ""
    ended: bool = False


@dataclass
class FakeVMmanager6:
    """`sleeps`: so many requests are answered with 503. `failing`: tasks that will fail, by path.

    `lost`: so many creations are done and answered with 503. `stubborn`: guests don't power off
    when they are asked.
    """

    url: str = ""
    hosts: dict[int, Row] = field(default_factory=dict)
    accounts: dict[int, Row] = field(default_factory=dict)
    tasks: dict[str, Task] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    logins: int = 0
    sleeps: int = 0
    lost: int = 0
    failing: dict[str, str] = field(default_factory=dict)
    stubborn: bool = False
    most_hosts: int = 10**6
    requests: list[tuple[str, str, Any]] = field(default_factory=list)

    def application(self) -> Starlette:
        paths: list[tuple[str, str, Callable[..., Any]]] = [
            ("POST", "/auth/v4/public/token", self._log_in),
            ("GET", "/vm/v3/account", lambda ask: self._list(self.accounts, ask)),
            ("POST", "/vm/v3/account", self._add_account),
            ("DELETE", "/vm/v3/user/{number:int}", self._drop_account),
            ("GET", "/vm/v3/host", lambda ask: self._list(self.hosts, ask)),
            ("POST", "/vm/v3/host", self._add_host),
            ("POST", "/vm/v3/host/{number:int}", self._change_host),
            ("DELETE", "/vm/v3/host/{number:int}", self._drop_host),
            ("POST", "/vm/v3/host/{number:int}/{act}", self._act),
            ("GET", "/vm/v3/task", self._task),
        ]
        return Starlette(
            routes=[Route(path, self._guarded(act), methods=[verb]) for verb, path, act in paths]
        )

    def _guarded(self, act: Callable[..., Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            body = await request.json() if await request.body() else None
            self.requests.append((request.method, request.url.path, body))
            if self.sleeps:
                self.sleeps -= 1
                return Response("asleep", HTTPStatus.SERVICE_UNAVAILABLE)
            public = request.url.path.startswith("/auth/v4/public")
            if not public and request.headers.get("x-xsrf-token") not in self.tokens:
                return error(HTTPStatus.UNAUTHORIZED, 3001, "Not authorized")
            request.state.body = body
            found: Response = act(request)
            return found

        return answer

    # -------------------------------------------------------------------------- logins, accounts

    def _log_in(self, request: Request) -> Response:
        if request.state.body != {"email": EMAIL, "password": PASSWORD}:
            return error(HTTPStatus.UNAUTHORIZED, 3004, "Wrong login or password")
        self.logins += 1
        token = f"token-{self.logins}"
        self.tokens.add(token)
        told = {"id": "1", "token": token, "confirmed": True, "expires_at": "2030-01-01 00:00:00"}
        return JSONResponse(told, HTTPStatus.CREATED)

    def _add_account(self, request: Request) -> Response:
        given = request.state.body
        if any(row["email"] == given["email"] for row in self.accounts.values()):
            return error(HTTPStatus.BAD_REQUEST, 3005, "The account exists")
        number = self._free(self.accounts)
        self.accounts[number] = {
            "id": number,
            "email": given["email"],
            "full_name": given["full_name"],
            "roles": [given["role"]],
        }
        return JSONResponse({"id": number})

    def _drop_account(self, request: Request) -> Response:
        number = request.path_params["number"]
        if any(row["account"]["id"] == number for row in self.hosts.values()):
            return error(HTTPStatus.BAD_REQUEST, 3010, "The account owns virtual machines")
        if self.accounts.pop(number, None) is None:
            return error(HTTPStatus.NOT_FOUND, 3002, "No such account")
        return JSONResponse({"id": number})

    # ------------------------------------------------------------------------------------- hosts

    def _add_host(self, request: Request) -> Response:
        given = request.state.body
        if given["cluster"] != CLUSTER or given["os"] != SYSTEM:
            return error(HTTPStatus.BAD_REQUEST, 3006, "No such cluster or OS")
        if len(self.hosts) >= self.most_hosts:
            return error(HTTPStatus.BAD_REQUEST, 3100, "No suitable node was found")
        number = self._free(self.hosts)
        kept = ("name", "domain", "comment", "cpu_number", "ram_mib", "hdd_mib")
        self.hosts[number] = {
            **{name: given[name] for name in kept},
            "id": number,
            "account": {"id": given["account"]},
            "state": "creating",
            "ip4": [{"ip": f"192.0.2.{10 + number}"} for _ in range(given["ipv4_number"])],
            "boots": 0,
            "seen_name": "",
        }
        begun = self._begin("host", number, lambda: self._boot(number))
        if self.lost:
            self.lost -= 1
            self._boot(number)
            return Response("asleep", HTTPStatus.SERVICE_UNAVAILABLE)
        return begun

    def _change_host(self, request: Request) -> Response:
        row = self._host(request)
        if isinstance(row, Response):
            return row
        known = ("name", "domain", "comment")
        row.update({name: value for name, value in request.state.body.items() if name in known})
        return JSONResponse({"id": row["id"]})

    def _drop_host(self, request: Request) -> Response:
        row = self._host(request)
        if isinstance(row, Response):
            return row
        number: int = row["id"]
        return self._begin("delete", number, lambda: self._gone(number))

    def _act(self, request: Request) -> Response:
        row = self._host(request)
        if isinstance(row, Response):
            return row
        act, number, given = request.path_params["act"], row["id"], request.state.body
        acts: dict[str, Callable[[], None]] = {
            "start": lambda: self._boot(number),
            "stop": lambda: self._halt(number, force=bool(given.get("force"))),
            "account": lambda: row.update(account={"id": given["account"]}),
        }
        return self._begin(act, number, acts[act])

    def _host(self, request: Request) -> Row | Response:
        row = self.hosts.get(request.path_params["number"])
        return row or error(HTTPStatus.NOT_FOUND, 3002, "No such virtual machine")

    def _boot(self, number: int) -> None:
        row = self.hosts[number]
        if row["state"] != "active":
            row.update(state="active", boots=row["boots"] + 1, seen_name=row["domain"])

    def _halt(self, number: int, *, force: bool) -> None:
        if force or not self.stubborn:
            self.hosts[number]["state"] = "stopped"

    def _gone(self, number: int) -> None:
        self.hosts.pop(number, None)

    # ------------------------------------------------------------------------------ tasks, lists

    def _begin(self, what: str, number: int, effect: Callable[[], None]) -> Response:
        name = f"{what}-{len(self.tasks)}"
        self.tasks[name] = Task(effect, fails=self.failing.pop(what, ""))
        return JSONResponse({"id": number, "task": name})

    def _task(self, request: Request) -> Response:
        found = _FILTER.match(request.query_params["where"])
        task = self.tasks[found[2]] if found else None
        if task is None or found is None:
            return JSONResponse({"list": [], "size": 0})
        task.looks_left -= 1
        if task.looks_left > 0:
            return JSONResponse({"list": [], "size": 0})
        if not task.ended:
            task.ended = True
            if not task.fails:
                task.effect()
        told = {"consul_id": found[2], "status": "fail" if task.fails else "complete"}
        return JSONResponse({"list": [{**told, "error": task.fails}], "size": 1})

    def _list(self, rows: dict[int, Row], request: Request) -> Response:
        found = _FILTER.match(request.query_params.get("where", ""))
        listed = [
            row
            for row in rows.values()
            if found is None or found[1] not in row or str(row[found[1]]) == found[2]
        ]
        return JSONResponse({"list": listed, "size": len(listed)})

    @staticmethod
    def _free(rows: dict[int, Row]) -> int:
        """The lowest number that is free, also one that another had before."""
        return next(number for number in range(1, len(rows) + 2) if number not in rows)


@asynccontextmanager
async def serve() -> AsyncIterator[FakeVMmanager6]:
    """One that listens on a free port of loopback while the block runs."""
    fake, listener = FakeVMmanager6(), socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(fake.application(), log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    fake.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield fake
    finally:
        server.should_exit = True
        await running
        listener.close()
