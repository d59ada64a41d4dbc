"""Stands between the two services: records every byte, and does to answers what networks do.

Faults are asked for per request, by a rule on what is sent. It speaks just enough HTTP/1.1 to know
where a message begins and ends, and changes nothing in what it passes on.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from shared.contract.basics import BASE_PATH, IDEMPOTENCY_HEADER

LONGEST_HEAD = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request as it went by."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def command_id(self) -> str | None:
        """The Idempotency-Key, where there is one."""
        return self.headers.get(IDEMPOTENCY_HEADER.lower())

    @property
    def is_order(self) -> bool:
        """Whether it orders a service."""
        return self.method == "POST" and self.path == f"{BASE_PATH}/services"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of a request.

    `drop_answer`: the seller answers, and nobody hears it; with `instead`, these bytes are heard.
    `copies`: it is sent so often at once, on connections of its own, and the first one's answer
    counts. `delay` in seconds before it is sent. `refuse`: nothing reaches the seller; the
    connection ends, or `instead` is heard. `mute`: a stream that lives and tells nothing, until
    the event is set and it ends. `cut`: so many bytes are missing at the end of the answer, and the
    connection ends. `silent`: whatever became of the request, the connection lives and nothing more
    is heard on it, for so many seconds or until the caller hangs up. `pace`: seconds between the
    pieces of an answer, as a slow reader takes them.
    """

    drop_answer: bool = False
    copies: int = 1
    delay: float = 0.0
    refuse: bool = False
    instead: bytes | None = None
    mute: threading.Event | None = None
    cut: int = 0
    silent: float = 0.0
    pace: float = 0.0


Rule = Callable[[Sent], Fault | None]
NO_FAULT = Fault()
STREAM = f"{BASE_PATH}/events/stream"
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)
_COMMENT = b"4\r\n:\n\n\n\r\n"


def answer(status: str, body: bytes, *, media_type: str, retry_after: int | None = None) -> bytes:
    """An answer that nobody's service gave; `status` is `502 Bad Gateway`, say."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n"
    head += "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


def once(fault: Fault, *, wanted: Callable[[Sent], bool] | None = None) -> Rule:
    """Do it the first time that each command (by its Idempotency-Key) goes by; default: orders."""
    done: set[str] = set()
    wanted = wanted or (lambda sent: sent.is_order)

    def rule(sent: Sent) -> Fault | None:
        if not wanted(sent) or sent.command_id is None or sent.command_id in done:
            return None
        done.add(sent.command_id)
        return fault

    return rule


@dataclass
class Proxy:
    """Runs in a thread of its own while the block runs. `url` is what the reseller connects to."""

    target: str
    rule: Rule | None = None
    sent: list[Sent] = field(default_factory=list)
    up: bytearray = field(default_factory=bytearray)
    down: bytearray = field(default_factory=bytearray)
    faults: list[Fault] = field(default_factory=list)
    url: str = ""
    # A connection whose caller has hung up is held by nobody else while its answer is on the way.
    _serving: set[asyncio.Task[None] | None] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        host, port = self._server.sockets[0].getsockname()[:2]
        self.url = f"http://{host}:{port}"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def traffic(self) -> bytes:
        """Every byte that went by, both ways."""
        return bytes(self.up) + bytes(self.down)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _end(self) -> None:
        self._server.close()
        await end_others()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection of the reseller: request after request, each to the seller."""
        upstream: Upstream | None = None
        self._serving.add(asyncio.current_task())
        try:
            while (sent := await read_request(reader)) is not None:
                self.sent.append(sent)
                self.up += sent.raw
                fault = (self.rule(sent) if self.rule else None) or NO_FAULT
                if fault != NO_FAULT:
                    self.faults.append(fault)
                await asyncio.sleep(fault.delay)
                if fault.mute is not None:
                    await _stay_mute(fault.mute, writer)
                    return
                if fault.refuse:
                    await _say(fault.instead, writer)
                    await _stay_silent(fault.silent, reader)
                    return
                upstream = upstream or await Upstream.opened(self.target)
                if not await self._exchange(sent, fault, upstream, writer):
                    await _stay_silent(fault.silent, reader)
                    return
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return  # one of the three has ended: the reseller, the seller, or this proxy
        finally:
            self._serving.discard(asyncio.current_task())
            if upstream is not None:
                upstream.close()
            writer.close()

    async def _exchange(
        self, sent: Sent, fault: Fault, upstream: "Upstream", writer: asyncio.StreamWriter
    ) -> bool:
        """Send a request and hand the answer on; whether the connection goes on."""
        copies = [asyncio.create_task(self._copy(sent)) for _ in range(fault.copies - 1)]
        hearer = None if fault.drop_answer else Hearer(writer, cut=fault.cut, pace=fault.pace)
        goes_on = await upstream.ask(sent.raw, answer_to=hearer, record=self.down)
        await asyncio.gather(*copies)
        if fault.drop_answer:
            await _say(fault.instead, writer)
        return goes_on and not fault.drop_answer and not fault.cut

    async def _copy(self, sent: Sent) -> None:
        twin = await Upstream.opened(self.target)
        try:
            # Its answer is nobody's; that the seller may die over it is another fault's affair.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await twin.ask(sent.raw, answer_to=None, record=self.down)
        finally:
            twin.close()


@dataclass(slots=True)
class Hearer:
    """Whoever hears an answer: as slowly as told, and no more of it than told."""

    writer: asyncio.StreamWriter
    cut: int = 0
    pace: float = 0.0

    async def hear(self, data: bytes) -> None:
        """Pass a piece on."""
        self.writer.write(data[: -self.cut] if self.cut else data)
        await self.writer.drain()
        await asyncio.sleep(self.pace)


@dataclass(slots=True)
class Upstream:
    """A connection to the seller."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def opened(cls, target: str) -> "Upstream":
        """Connect to the seller."""
        parts = urlsplit(target)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=LONGEST_HEAD))

    async def ask(self, raw: bytes, *, answer_to: Hearer | None, record: bytearray) -> bool:
        """Send a request; pass the answer on piece by piece; whether another may follow."""

        async def piece(data: bytes) -> None:
            record.extend(data)
            if answer_to is not None:
                await answer_to.hear(data)

        self.writer.write(raw)
        await self.writer.drain()
        head = await self.reader.readuntil(b"\r\n\r\n")
        headers = read_headers(head)
        status = int(head.split(b" ", 2)[1])
        # A whole answer is recorded at once, also where nobody is there any more to hear it.
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        await piece(head + body)
        if headers.get("transfer-encoding") == "chunked":
            await _pass_chunks(self.reader, piece)
        elif "content-length" not in headers and status not in (204, 304):
            return False
        return headers.get("connection") != "close"

    def close(self) -> None:
        """Hang up."""
        self.writer.close()


async def end_others() -> None:
    """Cancel all other tasks of this loop, and those that begin meanwhile."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    quiet = False
    while others or not quiet:
        quiet = not others
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # A connection that was accepted just now begins to be served only then.
        await asyncio.sleep(0.05)
        others = asyncio.all_tasks() - {asyncio.current_task()}


async def _say(words: bytes | None, writer: asyncio.StreamWriter) -> None:
    if words is not None:
        writer.write(words)
        await writer.drain()


async def _stay_silent(seconds: float, caller: asyncio.StreamReader) -> None:
    """Keep the connection without a word, until the caller has gone."""
    if seconds:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(caller.read(1), seconds)


async def _stay_mute(until: threading.Event, writer: asyncio.StreamWriter) -> None:
    """Begin a stream and send signs of life only."""
    await _say(_STREAM_HEAD, writer)
    while not until.is_set():
        await _say(_COMMENT, writer)
        await asyncio.sleep(0.2)


async def _pass_chunks(
    reader: asyncio.StreamReader, piece: Callable[[bytes], Coroutine[Any, Any, None]]
) -> None:
    while True:
        size = await reader.readuntil(b"\r\n")
        rest = await reader.readexactly(int(size.split(b";")[0], 16) + 2)
        await piece(size + rest)
        if rest == b"\r\n":
            return


async def read_request(reader: asyncio.StreamReader) -> Sent | None:
    """Read one whole request; None where the connection ended before one began."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    headers = read_headers(head)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
    return Sent(method=method, path=path.partition("?")[0], headers=headers, raw=head + body)


def read_headers(head: bytes) -> dict[str, str]:
    """Return the header fields of a message, names in lower case."""
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}
