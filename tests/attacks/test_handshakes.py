"""Attacks on the way to a TLS connection, on a server that runs as the real ones do."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
import trustme
from pydantic import SecretStr

from shared.kit.connections import Limits
from shared.kit.serving import Server, configure
from shared.kit.settings import ServiceSettings
from tests.kit.test_connections import application
from tests.ports import free_port
from tests.secret_key import SECRET_KEY

LOCAL = "127.0.0.1"
OURS, OTHERS = trustme.CA(), trustme.CA()
SOON = 0.5
GET = b"GET /healthz HTTP/1.1\r\nHost: house.test\r\nConnection: close\r\n\r\n"
# The beginning of a handshake: a record that announces 512 bytes, and not all of them.
HALF_A_HELLO = bytes.fromhex("16030102000100")
NOW = datetime.now(UTC)  # noqa: TID251 - of the machine, as OpenSSL has it
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Target:
    """A server that listens with TLS, and takes clients' certificates of our authority."""

    port: int

    def connect(self) -> socket.socket:
        return socket.create_connection((LOCAL, self.port), timeout=10)

    def ask(self, context: ssl.SSLContext) -> bytes:
        """The whole answer to one request over a connection of its own."""
        with context.wrap_socket(self.connect(), server_hostname=LOCAL) as peer:
            peer.sendall(GET)
            answer = b""
            while part := peer.recv(2**16):
                answer += part
        return answer


@contextmanager
def serving(folder: Path, limits: Limits) -> Iterator[Target]:
    """The product's server on the product's event loop, in a thread of its own."""
    OURS.cert_pem.write_to_path(folder / "authority.pem")
    mine = OURS.issue_cert(LOCAL)
    mine.private_key_pem.write_to_path(folder / "key.pem")
    mine.cert_chain_pems[0].write_to_path(folder / "server.pem")
    settings = ServiceSettings(
        database_url=SecretStr("postgresql+asyncpg:///nowhere"),
        secret_keys=[SecretStr(SECRET_KEY)],
        tls_certificate=folder / "server.pem",
        tls_key=folder / "key.pem",
        tls_client_ca=folder / "authority.pem",
    )
    port = free_port()
    app = application()
    config = configure(app, host=LOCAL, port=port, settings=settings, limits=limits)
    config.timeout_graceful_shutdown = 1
    server = Server(config, state=app.state)
    running = Thread(target=server.run)
    running.start()
    while not server.started:
        assert running.is_alive()
        time.sleep(0.01)
    try:
        yield Target(port)
    finally:
        server.should_exit = True
        running.join(20)
        assert not running.is_alive()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def target(folder: Path) -> Iterator[Target]:
    with serving(folder, Limits(handshake_seconds=SOON)) as found:
        yield found


def trusting(shown: trustme.LeafCert | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    OURS.configure_trust(context)
    if shown is not None:
        shown.configure_cert(context)
    return context


def answered(target: Target) -> bytes:
    """The answer as soon as the server has seen that there is room again."""
    until = time.monotonic() + 10
    while True:
        try:
            return target.ask(trusting())
        except (ssl.SSLError, ConnectionError):
            assert time.monotonic() < until


def is_cut(peer: socket.socket) -> bool:
    """Whether the server hangs up, without a word of HTTP."""
    try:
        return b"HTTP" not in peer.recv(2**16)
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_who_keeps_to_the_protocol_is_answered(target: Target) -> None:
    assert b"200 OK" in target.ask(trusting())
    assert b"200 OK" in target.ask(trusting(OURS.issue_cert("reseller.example.com")))


@pytest.mark.parametrize("said", [b"", HALF_A_HELLO], ids=["nothing", "half a hello"])
def test_handshake_that_never_ends(target: Target, said: bytes) -> None:
    began = time.monotonic()
    with target.connect() as peer:
        peer.sendall(said)
        assert is_cut(peer)
    assert SOON * 0.9 < time.monotonic() - began < 5


def test_handshake_that_dribbles(target: Target) -> None:
    began = time.monotonic()
    with target.connect() as peer, contextlib.suppress(ConnectionError):
        for byte in HALF_A_HELLO + bytes(2**9):
            peer.sendall(bytes([byte]))
            time.sleep(0.05)
    assert time.monotonic() - began < 10 * SOON


def test_plain_http_at_a_port_of_tls(target: Target) -> None:
    with target.connect() as peer:
        peer.sendall(GET)
        assert is_cut(peer)


def test_many_handshakes_that_never_end_hold_nobody_else_up(folder: Path) -> None:
    limits = Limits(handshake_seconds=3 * SOON, connections=100, connections_per_address=5)
    with serving(folder, limits) as target, contextlib.ExitStack() as held:
        waiting = [held.enter_context(target.connect()) for _ in range(5)]
        began = time.monotonic()
        # The sixth isn't waited for, and does no handshake: it is cut at once.
        with target.connect() as peer:
            assert is_cut(peer)
        assert time.monotonic() - began < 2 * SOON
        assert all(is_cut(peer) for peer in waiting)
        assert b"200 OK" in answered(target)


def test_handshakes_of_many_addresses_take_no_more_room_than_there_is(folder: Path) -> None:
    # As many peers behind one proxy: only the number of all of them counts.
    limits = Limits(handshake_seconds=3 * SOON, connections=5, proxies=["127.0.0.0/8"])
    with serving(folder, limits) as target, contextlib.ExitStack() as held:
        waiting = [held.enter_context(target.connect()) for _ in range(5)]
        with target.connect() as peer:
            assert is_cut(peer)
        assert all(is_cut(peer) for peer in waiting)
        assert b"200 OK" in answered(target)


def test_open_connections_count_with_handshakes(folder: Path) -> None:
    limits = Limits(handshake_seconds=SOON, connections_per_address=2)
    with serving(folder, limits) as target, contextlib.ExitStack() as held:
        opened = []
        for _ in range(2):
            peer = trusting().wrap_socket(target.connect(), server_hostname=LOCAL)
            opened.append(held.enter_context(peer))
            peer.sendall(GET.replace(b"Connection: close\r\n", b""))
            assert b"200 OK" in peer.recv(2**16)
        with target.connect() as third:
            assert is_cut(third)
        opened[0].close()
        assert b"200 OK" in answered(target)


def certificates() -> dict[str, trustme.LeafCert]:
    name = "reseller.example.com"
    return {
        "expired": OURS.issue_cert(name, not_before=NOW - 3 * DAY, not_after=NOW - DAY),
        "not yet valid": OURS.issue_cert(name, not_before=NOW + DAY, not_after=NOW + 3 * DAY),
        "another authority": OTHERS.issue_cert(name),
    }


@pytest.mark.parametrize("kind", ["expired", "not yet valid", "another authority"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_client_certificate_that_proves_nothing(
    target: Target, kind: str, version: ssl.TLSVersion
) -> None:
    context = trusting(certificates()[kind])
    context.minimum_version = context.maximum_version = version
    # In TLS 1.3 a client is told of it after its side of the handshake.
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert target.ask(context) == b""


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1"])
def test_version_that_is_broken(target: Target, version: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    # It is the server that hangs up: a client that can't speak so says other words.
    with pytest.raises((ssl.SSLError, ConnectionError), match=r"EOF|PROTOCOL_VERSION|reset"):
        target.ask(context)
