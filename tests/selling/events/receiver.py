"""A receiver of hints on loopback: keeps what came, and answers as the test says."""

import asyncio
import socket
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

from tests.kit.stage import eventually

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Came:
    """One request."""

    headers: dict[str, str]
    body: str


@dataclass
class Receiver:
    """Answers 204, or what `answers` says next: status and headers. `stalls` never answers."""

    url: str = ""
    came: list[Came] = field(default_factory=list)
    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    always: tuple[int, dict[str, str]] = (204, {})

    async def __call__(
        self,
        scope: Message,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.came.append(Came(headers, body.decode()))
        status, more = self.answers.popleft() if self.answers else self.always
        lines = [(name.encode(), value.encode()) for name, value in more.items()]
        await send({"type": "http.response.start", "status": status, "headers": lines})
        await send({"type": "http.response.body", "body": b""})

    async def got(self, count: int) -> list[Came]:
        """Wait until so many came."""

        async def enough() -> bool:
            return len(self.came) >= count

        await eventually(enough, what=f"{count} hints")
        return self.came


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens while the block runs."""
    receiver = Receiver()
    listener = socket.create_server(("127.0.0.1", 0))
    receiver.url = f"http://127.0.0.1:{listener.getsockname()[1]}/hooks"
    server = uvicorn.Server(uvicorn.Config(receiver, log_config=None, lifespan="off"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield receiver
    finally:
        server.should_exit = True
        await running
        listener.close()
