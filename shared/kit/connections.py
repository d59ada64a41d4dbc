"""The HTTP server's side of a connection: patience and room for each are limited.

A peer that dribbles its headers, sends too many of them or doesn't take its answer loses the
connection; nobody may hold all of them. What can't be read is answered with a problem, like the
rest. Knows nothing of routes.
"""

import asyncio
import hashlib
import ipaddress
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import structlog
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import (
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)
from uvicorn.server import ServerState

from shared.contract import problems as catalogue
from shared.contract.problems import PROBLEM_MEDIA_TYPE, ProblemType
from shared.kit.headers import SECURITY_HEADERS
from shared.kit.problems import ProblemError

# Where the fingerprint of a client's certificate lies, in the scope of a request.
CERTIFICATE = "client_certificate"
_log = structlog.get_logger(__name__)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one process. Seconds; bytes of the request line with all headers.

    Those of `proxies` (networks) bring many peers, and only count in `connections`.
    """

    handshake_seconds: float = 10.0
    header_seconds: float = 10.0
    header_bytes: int = 32 * 1024
    header_count: int = 100
    stalled_seconds: float = 30.0
    connections: int = 1000
    connections_per_address: int = 500
    proxies: Sequence[str] = field(default=())


class _Refused(Exception):
    """Raised inside the parser to stop it; why is in `_refusal`."""


_UNREADABLE = ProblemError(
    catalogue.MALFORMED_REQUEST, "This isn't HTTP/1.1 as RFC 9112 wants it; nothing was done."
)


class GuardedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the limits that it lacks. `limits` and `held` are the server's."""

    limits: ClassVar[Limits]
    held: ClassVar[Counter[str]]
    trusted: ClassVar[Sequence[Network]]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._head_is_whole = False
        self._refusal = _UNREADABLE
        self._address: str | None = None
        self._certificate: str | None = None

    @classmethod
    def is_proxy(cls, address: str) -> bool:
        """Whether many peers come from this address, since a proxy of ours stands there."""
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(found in network for network in cls.trusted)

    # ----------------------------------------------------------------------------- the connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._certificate = _fingerprint(transport)
        self._wait_for_head()
        if self.client is not None and not self.is_proxy(self.client[0]):
            self._address = self.client[0]
            self.held[self._address] += 1
        most = self.limits.connections_per_address
        if len(self.connections) > self.limits.connections or (
            self._address is not None and self.held[self._address] > most
        ):
            _log.warning("http.too_many_connections", address=self._address)
            detail = "Too many connections are open. Close some, or try again in a moment."
            self._refuse(catalogue.UNAVAILABLE, detail, retry_after=5)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_timers()
        if self._address is not None:
            self.held[self._address] -= 1
            if not self.held[self._address]:
                del self.held[self._address]
            self._address = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        # Bytes that begin no request took the keep-alive's time limit away.
        if self._is_idle() and self.timeout_keep_alive_task is None:
            self._wait_for_head()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stall_timer is None:
            self._stall_timer = self.loop.call_later(self.limits.stalled_seconds, self._stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None

    # --------------------------------------------------------------------------------- the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes, self._head_is_whole = 0, False
        # Never from a header: only the handshake proves it.
        self.scope["extensions"] = {CERTIFICATE: {"sha256": self._certificate}}
        self._wait_for_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_is_whole:
            detail = "Trailers aren't taken: send all headers before the body."
            self._stop(catalogue.MALFORMED_REQUEST, detail)
        if b"\0" in value or b"\r" in value or b"\n" in value:
            self._stop(catalogue.MALFORMED_REQUEST, "A header holds a control character.")
        self._count(len(name) + len(value) + 4)
        if len(self.headers) >= self.limits.header_count:
            self._count(self.limits.header_bytes)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._head_is_whole = True
        self._unset_head_timer()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - ours says more
        """Answer what couldn't be read; where another answer is under way, end with it."""
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or self.pipeline:
                self.transport.abort()
                return
            # The application waits for the rest of this very request: it won't come.
            cycle.disconnected = True
            cycle.message_event.set()
        self._write(self._refusal)

    # -------------------------------------------------------------------------------------- inside

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.header_bytes:
            most = f"{self.limits.header_count} headers of {self.limits.header_bytes} bytes"
            self._stop(catalogue.HEADERS_TOO_LARGE, f"At most {most} in all are taken.")

    def _stop(self, type_: ProblemType, detail: str) -> None:
        self._refusal = ProblemError(type_, detail)
        raise _Refused

    def _is_idle(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    def _wait_for_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.header_seconds, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport.is_closing():
            return
        if not self._is_idle():
            self._wait_for_head()
            return
        detail = f"The headers must come within {self.limits.header_seconds:.0f} s."
        self._refuse(catalogue.REQUEST_TOO_SLOW, detail)

    def _stalled(self) -> None:
        _log.warning("http.answer_not_taken", address=self._address)
        self.transport.abort()

    def _refuse(self, type_: ProblemType, detail: str, *, retry_after: int | None = None) -> None:
        after = {} if retry_after is None else {"Retry-After": str(retry_after)}
        self._write(ProblemError(type_, detail, headers=after))

    def _write(self, error: ProblemError) -> None:
        body = error.body("").model_dump_json().encode()
        headers = {
            "Content-Type": PROBLEM_MEDIA_TYPE,
            "Content-Length": str(len(body)),
            "Connection": "close",
            **SECURITY_HEADERS,
            **error.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[error.type.status] + lines.encode() + b"\r\n" + body)
        self.transport.close()

    def _unset_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_timers(self) -> None:
        self._unset_head_timer()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


def guarded(limits: Limits) -> type[GuardedProtocol]:
    """The protocol of one server."""

    class Guarded(GuardedProtocol):
        """With numbers of its own."""

    Guarded.limits, Guarded.held = limits, Counter()
    Guarded.trusted = [ipaddress.ip_network(network) for network in limits.proxies]
    return Guarded


def _fingerprint(transport: asyncio.Transport) -> str | None:
    """SHA-256 of the certificate that the peer has proved to own, as hex; None without one."""
    tls = transport.get_extra_info("ssl_object")
    certificate = tls.getpeercert(binary_form=True) if tls is not None else None
    return hashlib.sha256(certificate).hexdigest() if certificate else None
