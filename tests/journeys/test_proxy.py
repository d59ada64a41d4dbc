"""The proxy does to answers what it is told, and keeps every byte."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import httpx
import pytest

from local_stack.demo.callers import wait_for
from tests.journeys.proxy import Fault, Proxy, once

ORDERS = "/partner/v1/services"


class Seller(BaseHTTPRequestHandler):
    """Counts orders, answers with their number; streams three pieces at /stream."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        answer = str(len(self.bodies)).encode()
        self.send_response(202)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in (b"one ", b"two ", b"three", b""):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))

    def log_message(self, *arguments: object) -> None:
        """Keep quiet."""


@pytest.fixture
def seller() -> Iterator[ThreadingHTTPServer]:
    Seller.bodies = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Seller) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def proxy(seller: ThreadingHTTPServer) -> Iterator[Proxy]:
    with Proxy(target=f"http://127.0.0.1:{seller.server_port}") as running:
        yield running


@pytest.fixture
def http(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, trust_env=False, timeout=5) as client:
        yield client


def order(http: httpx.Client, key: str) -> httpx.Response:
    return http.post(ORDERS, content=b"an order", headers={"Idempotency-Key": key})


def test_requests_and_streams_pass_unchanged_and_are_kept(proxy: Proxy, http: httpx.Client) -> None:
    assert order(http, "k").text == "1"
    assert http.get("/stream").text == "one two three"
    assert [sent.path for sent in proxy.sent] == [ORDERS, "/stream"]
    assert b"an order" in proxy.up
    assert b"three" in proxy.down


def test_answer_is_dropped_once_per_command(proxy: Proxy, http: httpx.Client) -> None:
    proxy.rule = once(Fault(drop_answer=True))
    for number in (1, 3):
        key = str(uuid4())
        with pytest.raises(httpx.RemoteProtocolError):
            order(http, key)
        assert len(Seller.bodies) == number
        assert order(http, key).text == str(number + 1)
    assert len(proxy.faults) == 2


def test_request_is_sent_twice_at_once(proxy: Proxy, http: httpx.Client) -> None:
    proxy.rule = once(Fault(copies=2))
    assert order(http, "k").text in {"1", "2"}
    wait_for("the twin", lambda: len(Seller.bodies) > 1, seconds=5)
    assert Seller.bodies == [b"an order", b"an order"]


def test_refused_connection_reaches_nobody(proxy: Proxy, http: httpx.Client) -> None:
    proxy.rule = once(Fault(refuse=True))
    with pytest.raises(httpx.RemoteProtocolError):
        order(http, "k")
    assert Seller.bodies == []
    assert order(http, "k").text == "1"
