"""Carries wake-ups between processes over NOTIFY: hints only, so that losing one costs nothing.

One connection per process sends and listens; whoever waits also polls.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import structlog
from sqlalchemy.engine import make_url

_log = structlog.get_logger(__name__)
_RECONNECT_SECONDS = 0.5
_ANSWER_SECONDS = 5.0
_PROBE_SECONDS = 10.0


def asyncpg_arguments(url: str) -> dict[str, Any]:
    """Arguments of `asyncpg.connect` for a SQLAlchemy URL, unix sockets included."""
    parsed = make_url(url)
    host = parsed.query.get("host", parsed.host)
    arguments = {
        "host": host,
        "port": parsed.port,
        "user": parsed.username,
        "password": parsed.password,
        "database": parsed.database,
    }
    return {name: value for name, value in arguments.items() if value is not None}


_AWAY = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class Hints:
    """Sends hints after commits, coalesced, and wakes those who wait for a channel and payload."""

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._outbox: dict[tuple[str, str], None] = {}
        self._send_now = asyncio.Event()
        self._waiting: dict[str, set[asyncio.Event]] = defaultdict(set)
        self._task: asyncio.Task[None] | None = None
        self._own_pid: int | None = None

    def send(self, channel: str, payload: str = "") -> None:
        """Queue a hint; equal ones that wait together are sent once. Local waiters wake at once."""
        self._wake(channel)
        self._wake(f"{channel}:{payload}")
        if self._task is not None:
            self._outbox[(channel, payload)] = None
            self._send_now.set()

    @contextlib.asynccontextmanager
    async def subscribe(
        self, channel: str, payload: str | None = None
    ) -> AsyncIterator[asyncio.Event]:
        """An event that is set when a hint comes; the caller clears it."""
        name = channel if payload is None else f"{channel}:{payload}"
        event = asyncio.Event()
        self._waiting[name].add(event)
        try:
            yield event
        finally:
            self._waiting[name].discard(event)
            if not self._waiting[name]:
                del self._waiting[name]

    async def start(self) -> None:
        """Begin to send and to listen."""
        if self._url is not None:
            self._task = asyncio.create_task(self._run(self._url), name="hints")

    async def aclose(self) -> None:
        """Stop. Hints not sent yet are dropped: those who wait poll."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def wake_all(self) -> None:
        """Wake everybody who waits, for instance because hints may have been missed."""
        for name in list(self._waiting):
            self._wake(name)

    def _wake(self, name: str) -> None:
        for event in self._waiting.get(name, ()):
            event.set()

    def _heard(self, _connection: object, pid: int, _channel: str, message: object) -> None:
        if pid == self._own_pid:
            return  # our own: woken when it was sent
        channel, _, payload = str(message).partition(" ")
        self._wake(channel)
        self._wake(f"{channel}:{payload}")

    async def _run(self, url: str) -> None:
        while True:
            try:
                await self._serve(url)
            except _AWAY as error:
                _log.warning("hints.connection_lost", error=type(error).__name__)
                await asyncio.sleep(_RECONNECT_SECONDS)

    async def _serve(self, url: str) -> None:
        connection = await asyncpg.connect(
            **asyncpg_arguments(url), timeout=_ANSWER_SECONDS, command_timeout=_ANSWER_SECONDS
        )
        try:
            self._own_pid = connection.get_server_pid()
            # A connection that only listens would never notice by itself that it is dead.
            connection.add_termination_listener(lambda _connection: self._send_now.set())
            await connection.add_listener("tandem", self._heard)
            self.wake_all()
            while not connection.is_closed():
                # Not `wait_for`: in Python 3.11 it loses a cancellation that comes with the event.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_PROBE_SECONDS):
                        await self._send_now.wait()
                self._send_now.clear()
                await self._send(connection)
        finally:
            connection.terminate()
        raise ConnectionResetError

    async def _send(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        batch, self._outbox = list(self._outbox), {}
        await connection.execute(
            "SELECT pg_notify('tandem', line) FROM unnest($1::text[]) line",
            [f"{channel} {payload}" for channel, payload in batch],
        )
