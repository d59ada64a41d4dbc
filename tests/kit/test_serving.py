"""Who asks is the address that connects, or what a trusted proxy says of it."""

from ipaddress import ip_network

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import SecretStr

from shared.kit.serving import configure
from shared.kit.settings import ServiceSettings
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
