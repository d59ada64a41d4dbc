"""A cable for TCP that can be partitioned, cut and pulled out; knows nothing of what runs through.

Before a database it takes the services' connections to the server's unix socket, before the seller
it stands behind the proxy. What a partition holds back arrives once it is healed, as TCP does it:
also from somebody who has hung up since.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.journeys.proxy import end_others

PIECE = 1 << 16


@dataclass
class Relay:
    """Runs in a thread of its own while the block runs; `port` of 127.0.0.1 leads to the target.

    `target` is a URL's host and port, or a unix socket. The gates are open at first.
    """

    target: str | Path
    port: int = 0
    refusing: bool = False
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)
    # As in `Proxy`: nobody else holds a connection whose caller has hung up.
    _serving: set[asyncio.Task[None] | None] = field(default_factory=set)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="relay", daemon=True)
        self._thread.start()
        self._run(self._begin())
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
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def hold(self, *, up: bool = True, down: bool = True) -> None:
        """Partition: let nothing through, upwards (to the target), downwards, or both ways."""
        for gate, held in ((self._up, up), (self._down, down)):
            if held:
                self._call(gate.clear)

    def heal(self) -> None:
        """Let everything through again, what was held back first."""
        self.refusing = False
        for gate in (self._up, self._down):
            self._call(gate.set)

    def cut(self) -> None:
        """Break all connections; new ones are taken."""
        self._call(self._abort)

    def pull_out(self) -> None:
        """Break all connections and take no new ones until it is healed."""
        self.refusing = True
        self.cut()

    def _call(self, act: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(act)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _begin(self) -> None:
        self._up, self._down = asyncio.Event(), asyncio.Event()
        self._up.set()
        self._down.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        await end_others()

    def _abort(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(self.target)
        parts = urlsplit(self.target)
        return await asyncio.open_connection(parts.hostname, parts.port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._serving.add(asyncio.current_task())
        other: asyncio.StreamWriter | None = None
        try:
            if self.refusing:
                return
            await self._up.wait()
            answers, other = await self._open()
            self._writers.add(other)
            await asyncio.gather(
                _carry(reader, other, gate=self._up), _carry(answers, writer, gate=self._down)
            )
        except (OSError, asyncio.CancelledError):
            return  # an end has gone, or this relay has
        finally:
            self._serving.discard(asyncio.current_task())
            for each in filter(None, (writer, other)):
                self._writers.discard(each)
                each.close()


async def _carry(
    source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, gate: asyncio.Event
) -> None:
    """Carry what comes in one direction; its end too, so that the other side may finish."""
    while data := await source.read(PIECE):
        await gate.wait()
        sink.write(data)
        await sink.drain()
    await gate.wait()
    with contextlib.suppress(OSError):
        sink.write_eof()
