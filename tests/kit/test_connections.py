"""Peers that are slow, greedy or unreadable lose their connection, and nobody else's suffers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from pydantic import SecretStr

from shared.kit import bodies
from shared.kit.connections import Limits
from shared.kit.serving import Server, configure
from shared.kit.settings import ServiceSettings
from shared.kit.web import create_api
from tests.kit.serving import started
from tests.kit.stage import eventually
from tests.ports import free_port
from tests.secret_key import SECRET_KEY

SOON = 0.3
QUICK = Limits(header_seconds=SOON, stalled_seconds=SOON, connections=8, connections_per_address=5)
GET = b"GET /healthz HTTP/1.1\r\nHost: house.test\r\n"


@asynccontextmanager
async def nothing(_app: FastAPI) -> AsyncIterator[None]:
    yield


async def ready() -> dict[str, bool]:
    return {}


def application() -> FastAPI:
    app = create_api(
        title="Lines",
        description="",
        version="1",
        tags=[],
        routers=[],
        lifespan=nothing,
        ready=ready,
        max_body_bytes=100_000,
    )

    @app.post("/echo")
    async def echo(request: Request) -> dict[str, object]:
        body = await request.body()
        return {"bytes": len(body), "headers": sorted(request.headers)}

    @app.get("/endless")
    async def endless() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)

        return StreamingResponse(parts())

    return app


@asynccontextmanager
async def listening(limits: Limits) -> AsyncIterator[int]:
    settings = ServiceSettings(
        database_url=SecretStr("postgresql+asyncpg:///nowhere"),
        secret_keys=[SecretStr(SECRET_KEY)],
    )
    app, port = application(), free_port()
    config = configure(app, host="127.0.0.1", port=port, settings=settings, limits=limits)
    config.timeout_graceful_shutdown = 1
    server = Server(config, state=app.state)
    running = asyncio.create_task(server._serve())
    await eventually(lambda: started(server))
    try:
        yield port
    finally:
        await Peer.close_all()
        server.should_exit = True
        await running


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async with listening(QUICK) as found:
        yield found


class Peer:
    """A connection whose bytes are our own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    _open: ClassVar[list["Peer"]] = []

    @classmethod
    async def at(cls, port: int) -> "Peer":
        made = cls(*await asyncio.open_connection("127.0.0.1", port))
        cls._open.append(made)
        return made

    @classmethod
    async def close_all(cls) -> None:
        while cls._open:
            writer = cls._open.pop().writer
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def say(self, *parts: bytes) -> None:
        self.writer.write(b"".join(parts))
        await self.writer.drain()

    async def everything(self) -> bytes:
        """What comes until the server hangs up."""
        async with asyncio.timeout(10):
            return await self.reader.read()

    async def problem(self) -> tuple[int, str]:
        head, _, body = (await self.everything()).partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head.lower()
        assert b"x-content-type-options: nosniff" in head.lower()
        return int(head.split()[1]), json.loads(body)["code"]

    async def ends(self) -> bool:
        """Whether the server hangs up, be it with a reset."""
        try:
            while await self.reader.read(2**20):
                pass
        except ConnectionError:
            return True
        return True


async def test_ordinary_requests_share_a_connection(port: int) -> None:
    peer = await Peer.at(port)
    await peer.say(GET, b"\r\n", GET, b"Connection: close\r\n\r\n")
    assert (await peer.everything()).count(b"200 OK") == 2


async def test_peer_that_says_nothing_is_not_waited_for(port: int) -> None:
    assert await (await Peer.at(port)).problem() == (408, "request_too_slow")


async def test_headers_that_dribble_are_not_waited_for(port: int) -> None:
    peer = await Peer.at(port)
    await peer.say(GET)

    async def dribble() -> None:
        for number in range(1000):
            await peer.say(b"X-%d: 1\r\n" % number)
            await asyncio.sleep(0.05)

    dribbling = asyncio.create_task(dribble())
    assert await peer.problem() == (408, "request_too_slow")
    dribbling.cancel()
    await asyncio.gather(dribbling, return_exceptions=True)


async def test_empty_lines_do_not_keep_a_connection(port: int) -> None:
    peer = await Peer.at(port)
    await peer.say(GET, b"\r\n")
    await peer.reader.readuntil(b"}")

    async def dribble() -> None:
        while True:
            await peer.say(b"\r\n")
            await asyncio.sleep(0.05)

    dribbling = asyncio.create_task(dribble())
    assert b"408" in await peer.everything()
    dribbling.cancel()
    await asyncio.gather(dribbling, return_exceptions=True)


async def test_body_that_dribbles_is_not_waited_for(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", SOON)
    peer = await Peer.at(port)
    await peer.say(b"POST /echo HTTP/1.1\r\nHost: house.test\r\nContent-Length: 100\r\n\r\n{")
    assert await peer.problem() == (408, "request_too_slow")


@pytest.mark.parametrize(
    "headers",
    [b"X-Long: " + b"x" * 40_000 + b"\r\n", b"".join(b"X-%d: 1\r\n" % n for n in range(200))],
    ids=["large", "many"],
)
async def test_headers_too_large_or_too_many_are_refused(port: int, headers: bytes) -> None:
    peer = await Peer.at(port)
    await peer.say(GET, headers, b"\r\n")
    assert await peer.problem() == (431, "headers_too_large")


async def test_address_too_long_is_refused(port: int) -> None:
    peer = await Peer.at(port)
    await peer.say(b"GET /", b"x" * 40_000, b" HTTP/1.1\r\nHost: house.test\r\n\r\n")
    assert await peer.problem() == (431, "headers_too_large")


async def test_trailers_become_no_headers(port: int) -> None:
    peer = await Peer.at(port)
    await peer.say(
        b"POST /echo HTTP/1.1\r\nHost: house.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"1\r\nx\r\n0\r\nAuthorization: Bearer stolen\r\n\r\n",
    )
    assert b"authorization" not in await peer.everything()


async def test_peer_that_does_not_take_its_answer_is_cut_off(port: int) -> None:
    peer = await Peer.at(port)
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await peer.say(b"GET /endless HTTP/1.1\r\nHost: house.test\r\n\r\n")
    await asyncio.sleep(4 * SOON)
    peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
    async with asyncio.timeout(10):
        assert await peer.ends()


async def test_one_address_does_not_hold_all_connections() -> None:
    async with listening(Limits(connections=8, connections_per_address=5)) as port:
        held = [await Peer.at(port) for _ in range(5)]
        assert await (await Peer.at(port)).problem() == (503, "unavailable")
        await held[0].say(GET, b"Connection: close\r\n\r\n")
        assert b"200 OK" in await held[0].everything()
        next_one = await Peer.at(port)
        await next_one.say(GET, b"Connection: close\r\n\r\n")
        assert b"200 OK" in await next_one.everything()


async def test_more_connections_than_there_is_room_for_are_turned_away() -> None:
    limits = Limits(connections=3, connections_per_address=1, proxies=["127.0.0.0/8"])
    async with listening(limits) as port:
        _held = [await Peer.at(port) for _ in range(3)]
        assert await (await Peer.at(port)).problem() == (503, "unavailable")


async def test_what_cannot_be_read_does_not_spoil_an_answer_that_is_under_way(port: int) -> None:
    peer = await Peer.at(port)
    await peer.say(b"GET /endless HTTP/1.1\r\nHost: house.test\r\n\r\n")
    await peer.reader.readuntil(b"x")
    await peer.say(b"no HTTP at all\r\n\r\n")
    rest = bytearray()
    try:
        while part := await peer.reader.read(2**16):
            rest += part
    except ConnectionError:
        pass
    assert b"problem+json" not in rest
