"""The server's side of TLS before there is a connection: patience and room for handshakes.

Left to the event loop, a peer that never finishes its handshake is seen by no protocol, counted
nowhere and waited for for a minute. Here it counts as a connection of its address from the first
packet on, and is cut off in silence: before a handshake there is nobody to talk to. Knows nothing
of HTTP.
"""

import asyncio
import os
import socket
import ssl
from collections import Counter
from collections.abc import Callable

import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from shared.kit.connections import GuardedProtocol

_log = structlog.get_logger(__name__)
Loop = asyncio.AbstractEventLoop
State = dict[str, object]


class Handshakes:
    """Those of one server that are under way, and whether there is room for one more."""

    def __init__(self, protocol: type[GuardedProtocol], context: ssl.SSLContext) -> None:
        self._protocol = protocol
        self._context = context
        self._tasks: set[asyncio.Task[None]] = set()
        self._by_address: Counter[str] = Counter()
        # What OpenSSL does by itself, whatever its configuration says.
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION

    def gate(
        self, *, config: Config, server_state: ServerState, app_state: State, _loop: Loop | None
    ) -> "Gate":
        """What uvicorn makes for each connection that it accepts, in the protocol's place."""

        def made() -> GuardedProtocol:
            return self._protocol(config, server_state, app_state, _loop)

        return Gate(self, made, server_state)

    def has_room(self, address: str, *, connections: int) -> bool:
        """Whether one more of this address may begin, besides those that are connected."""
        limits = self._protocol.limits
        if len(self._tasks) + connections >= limits.connections:
            return False
        of_address = self._by_address[address] + self._protocol.held[address]
        return self._protocol.is_proxy(address) or of_address < limits.connections_per_address

    def begin(
        self, connection: socket.socket, address: str, made: Callable[[], asyncio.Protocol]
    ) -> None:
        """Shake hands, and let the protocol `made` take over."""
        task = asyncio.get_running_loop().create_task(self._shake(connection, made))
        self._tasks.add(task)
        self._by_address[address] += 1

        def over(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

        task.add_done_callback(over)

    async def _shake(self, connection: socket.socket, made: Callable[[], asyncio.Protocol]) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                made,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._protocol.limits.handshake_seconds,
            )
        except OSError as error:
            # Too slow, of no version or certificate that is taken, or gone.
            _log.debug("tls.no_handshake", reason=str(error))
            connection.close()


class Gate(asyncio.Protocol):
    """Hands a connection over to its handshake, where there is room for it.

    The transport that accepted it ends at once, before it reads a byte: TLS begins on a copy of the
    socket.
    """

    def __init__(
        self, handshakes: Handshakes, made: Callable[[], asyncio.Protocol], state: ServerState
    ) -> None:
        self._handshakes, self._made, self._state = handshakes, made, state

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        try:
            self._let_in(transport)
        except OSError as error:
            _log.warning("tls.connection_lost", reason=str(error))
        finally:
            transport.abort()

    def _let_in(self, transport: asyncio.Transport) -> None:
        peer = transport.get_extra_info("peername")
        address = peer[0] if peer else ""
        if not self._handshakes.has_room(address, connections=len(self._state.connections)):
            _log.warning("http.too_many_connections", address=address)
            return
        copy = socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno()))
        copy.settimeout(0)
        self._handshakes.begin(copy, address, self._made)
