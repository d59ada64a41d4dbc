"""The cable of the lab does what it says: holds back, delivers late, breaks, refuses."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from tests.faults.disk import small_disk
from tests.faults.lives import wait
from tests.faults.relay import Relay
from tests.requirements import require


@dataclass
class Echo:
    """Says everything back, and remembers it."""

    heard: bytearray = field(default_factory=bytearray)

    def serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(1000):
                self.heard += data
                connection.sendall(data)


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def cable(echo: Echo) -> Iterator[Relay]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo.serve, args=[listener], daemon=True)
        thread.start()
        with Relay(f"http://127.0.0.1:{listener.getsockname()[1]}") as relay:
            yield relay
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def call(cable: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", cable.port), timeout=10)


def test_what_is_held_back_arrives_once_it_is_healed(cable: Relay, echo: Echo) -> None:
    with call(cable) as caller:
        caller.sendall(b"one")
        assert caller.recv(10) == b"one"
        cable.hold(up=True, down=False)
        caller.sendall(b"two")
        caller.settimeout(0.2)
        with pytest.raises(TimeoutError):
            caller.recv(10)
        assert bytes(echo.heard) == b"one"
        caller.settimeout(10)
        cable.heal()
        assert caller.recv(10) == b"two"


def test_it_arrives_also_from_somebody_who_has_hung_up(cable: Relay, echo: Echo) -> None:
    cable.hold()
    with call(cable) as caller:
        caller.sendall(b"late")
    cable.heal()
    wait(lambda: bytes(echo.heard) == b"late", what="what was sent before", seconds=10)


def test_answers_alone_are_held_back(cable: Relay, echo: Echo) -> None:
    cable.hold(up=False, down=True)
    with call(cable) as caller:
        caller.sendall(b"one")
        wait(lambda: bytes(echo.heard) == b"one", what="its arrival", seconds=10)
        cable.heal()
        assert caller.recv(10) == b"one"


def test_a_cable_that_was_pulled_out_takes_nobody_until_it_is_healed(cable: Relay) -> None:
    with call(cable) as caller:
        caller.sendall(b"one")
        assert caller.recv(10) == b"one"
        cable.pull_out()
        with suppress(ConnectionResetError):
            assert caller.recv(10) == b""
    with call(cable) as caller, suppress(ConnectionResetError):
        assert caller.recv(10) == b""
    cable.heal()
    with call(cable) as caller:
        caller.sendall(b"two")
        assert caller.recv(10) == b"two"


def test_small_disk_can_be_filled_and_freed() -> None:
    with small_disk() as disk:
        require(disk.is_small, "no file system can be mounted here")
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            (disk.folder / "more").write_bytes(b"x" * 100_000)
        disk.free()
        (disk.folder / "more").write_bytes(b"x" * 100_000)
