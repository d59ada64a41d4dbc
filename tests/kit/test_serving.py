"""Who asks is the address that connects, or what a trusted proxy says; and the end is bounded."""

import asyncio
import socket
from ipaddress import ip_network

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from pydantic import SecretStr

from shared.kit.serving import Server, configure
from shared.kit.settings import ServiceSettings
from tests.kit.serving import started
from tests.kit.stage import eventually
from tests.secret_key import SECRET_KEY

app = FastAPI()


@app.get("/who")
async def who(request: Request) -> str:
    assert request.client is not None
    return request.client.host


@pytest.mark.parametrize(
    ("trusted", "seen"),
    [
        ([], "10.0.0.9"),
        (["192.0.2.0/24"], "10.0.0.9"),
        (["10.0.0.9/32"], "203.0.113.5"),
        (["10.0.0.0/8"], "203.0.113.5"),
    ],
)
async def test_only_a_trusted_proxy_says_who_asks(trusted: list[str], seen: str) -> None:
    settings = ServiceSettings(
        database_url=SecretStr("postgresql+asyncpg:///nowhere"),
        secret_keys=[SecretStr(SECRET_KEY)],
        trusted_proxies=[ip_network(network) for network in trusted],
    )
    config = configure(app, host="127.0.0.1", port=0, settings=settings)
    config.load()
    transport = httpx.ASGITransport(config.loaded_app, client=("10.0.0.9", 1))
    # The first of the two was made up by the one who asks.
    told = {"X-Forwarded-For": "198.51.100.1, 203.0.113.5"}
    async with httpx.AsyncClient(transport=transport, base_url="http://house.test") as http:
        assert (await http.get("/who", headers=told)).json() == seen


@app.post("/what")
async def what(request: Request) -> int:
    return len(await request.body())


async def test_a_client_that_never_ends_its_request_does_not_keep_the_process() -> None:
    app.state.draining, app.state.stopping = asyncio.Event(), asyncio.Event()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1)
    server = Server(config, state=app.state, drain_seconds=0.1)
    running = asyncio.create_task(server._serve([listener]))
    await eventually(lambda: started(server))
    _, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(b"POST /what HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    await writer.drain()
    await eventually(lambda: has_tasks(server))
    server.should_exit = True
    await asyncio.wait_for(running, timeout=5)
    writer.close()


async def has_tasks(server: Server) -> bool:
    return bool(server.server_state.tasks)
