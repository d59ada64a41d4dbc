"""Addresses of sellers that would lead the reseller into its own house, or hold it up."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from reselling_service.sellers.client import LONGEST_BODY, Line, SellerClient
from reselling_service.sellers.errors import SellerProblem
from reselling_service.sellers.rules import Nothing, check_address
from shared.kit.clock import SystemClock
from shared.kit.ids import new_id
from shared.kit.problems import ProblemError
from shared.kit.tls import SYSTEM

KEY = "tps_test_key_0123456789"
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Target:
    """A neighbour of the reseller that nobody outside may reach; it says what it is told to."""

    port: int = 0
    came: list[bytes] = field(default_factory=list)
    says: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    drips: bool = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read a request, and answer it."""
        try:
            self.came.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.says)
            while self.drips:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    found = Target()
    server = await asyncio.start_server(found.take, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    await server.wait_closed()


@asynccontextmanager
async def calling(url: str, *, private: bool = False, seconds: float = 1) -> AsyncIterator[Any]:
    line = Line(
        clock=SystemClock(),
        timeout_seconds=seconds,
        silence_seconds=seconds,
        private_addresses=private,
    )
    try:
        yield SellerClient(line, url=url, key=KEY, trust=SYSTEM)
    finally:
        await line.aclose()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "0.0.0.0",
    ],
)
async def test_ssrf_by_an_address_however_it_is_written(target: Target, host: str) -> None:
    async with calling(f"http://{host}:{target.port}") as seller:
        with pytest.raises(SellerProblem, match="seller_unreachable"):
            await seller.about()
        reply = await seller.send(
            path="/services", body=b"{}", command_id=new_id(), traceparent=None
        )
    assert isinstance(reply, Nothing)
    assert target.came == []


async def test_ssrf_by_rebinding(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is the internet's when it is looked at, and ours when it is called."""
    answers = ["8.8.8.8", "127.0.0.1"]

    def resolve(_host: str, port: int, *_more: Any, **_rest: Any) -> list[Any]:
        address = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert socket.getaddrinfo("seller.example.com", 443)[0][4][0] == "8.8.8.8"
    check_address("https://seller.example.com", private_addresses=False)
    async with calling(f"http://seller.example.com:{target.port}") as seller:
        with pytest.raises(SellerProblem, match="isn't one of the internet's"):
            await seller.about()
    assert target.came == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_ssrf_by_redirect(target: Target, status: int) -> None:
    inside = Target()
    server = await asyncio.start_server(inside.take, "127.0.0.1", 0)
    place = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/secret"
    target.says = (
        f"HTTP/1.1 {status} Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
    )
    async with calling(f"http://127.0.0.1:{target.port}", private=True) as seller:
        with pytest.raises(SellerProblem):
            await seller.about()
    server.close()
    await server.wait_closed()
    assert (len(target.came), inside.came) == (1, [])


@pytest.mark.parametrize(
    "url",
    [
        "http://seller.example.com",
        "https://127.0.0.1",
        "https://[::1]:8001",
        "https://[fe80::1]",
        "https://[fd00::1]",
        "https://100.64.0.1",
        "https://192.168.1.1",
        "https://0.0.0.0",
        "https://224.0.0.1",
        "https://255.255.255.255",
    ],
)
def test_ssrf_by_the_address_of_a_seller(url: str) -> None:
    with pytest.raises(ProblemError, match="seller_address"):
        check_address(url, private_addresses=False)


async def test_decompression_bomb_as_an_answer(target: Target) -> None:
    bomb = gzip.compress(b" " * 100_000_000)
    target.says = (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n"
        b"Content-Length: %d\r\n\r\n" % len(bomb)
    ) + bomb
    async with calling(f"http://127.0.0.1:{target.port}", private=True, seconds=5) as seller:
        with pytest.raises(SellerProblem, match=r"DecodingError"):
            await seller.about()


async def test_answer_without_an_end(target: Target) -> None:
    size = LONGEST_BODY + 1
    target.says = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * size) + b" " * size
    async with calling(f"http://127.0.0.1:{target.port}", private=True, seconds=20) as seller:
        with pytest.raises(SellerProblem, match="seller_unreachable"):
            await seller.about()


async def test_answer_that_drips(target: Target) -> None:
    target.says, target.drips = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", True
    async with calling(f"http://127.0.0.1:{target.port}", private=True, seconds=0.5) as seller:
        with pytest.raises(SellerProblem, match="No answer in time"):
            await seller.about()
        target.drips = False
