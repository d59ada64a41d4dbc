"""Sends hints over HTTP, signed, to addresses that partners named: with care for our own house.

An address is judged when the connection is made, by what its name resolves to then, and the
connection goes to that very address: a name that changes its mind reaches nobody inside. Redirects
aren't followed, an answer's body isn't read.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from httpx_aiohttp import AiohttpTransport
from standardwebhooks import Webhook

from selling_service.database import SellingRuntime
from selling_service.events.errors import webhook_address
from selling_service.events.rules import LONGEST_RETRY_AFTER, Attempt
from shared.kit.addresses import is_public, literal_host
from shared.kit.clock import SystemClock
from shared.kit.patience import retry_after_seconds

SECONDS = 15.0
MOST_CONNECTIONS = 50
_FAULTS = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an attempt. `problem` is None where the receiver took the hint."""

    status: int | None
    problem: str | None
    retry_after: float | None

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants no more of them."""
        return self.status == httpx.codes.GONE


class _NotPublic(OSError):
    """The name leads to no address of the internet."""


class _PublicResolver(AbstractResolver):
    """Resolves names, and keeps back the addresses that aren't the internet's."""

    def __init__(self) -> None:
        self._inner = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [each for each in found if is_public(each["host"])]
        if not public:
            raise _NotPublic(f"{host} resolves to no public address")
        return public

    async def close(self) -> None:
        await self._inner.close()


class Sender:
    """The one HTTP client for hints of a process."""

    def __init__(self, *, private_addresses: bool) -> None:
        self._private = private_addresses
        self._http = httpx.AsyncClient(
            transport=AiohttpTransport(client=self._session),
            follow_redirects=False,
            trust_env=False,
            timeout=SECONDS,
            headers={"User-Agent": "tandem-webhooks", "Content-Type": "application/json"},
        )

    async def send(self, attempt: Attempt) -> Outcome:
        """Make one attempt; never raises for what the wire does."""
        literal = literal_host(attempt.url)
        if literal is not None and not self._private and not is_public(literal):
            return _failed("The address is not a public one.")
        # Receivers compare it with the time of the world, whatever the sandbox's clock says.
        now = SystemClock().now()
        headers = {
            "webhook-id": f"msg_{attempt.delivery_id.hex}",
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(
                _sign(attempt, secret, now) for secret in attempt.secrets
            ),
        }
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._http.stream(
                    "POST", attempt.url, content=attempt.body.encode(), headers=headers
                ) as response,
            ):
                return _outcome(response, now=now)
        except _FAULTS as error:
            cause = error.__cause__ or error
            slow = isinstance(error, TimeoutError | httpx.TimeoutException)
            what = "No answer in time" if slow else "The connection can't be made or broke"
            return _failed(f"{what} ({type(cause).__name__}).")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    def _session(self) -> aiohttp.ClientSession:
        resolver = None if self._private else _PublicResolver()
        connector = aiohttp.TCPConnector(
            limit=MOST_CONNECTIONS, resolver=resolver, use_dns_cache=False, force_close=True
        )
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


_SENDERS: WeakKeyDictionary[SellingRuntime, Sender] = WeakKeyDictionary()


@asynccontextmanager
async def open_sender(runtime: SellingRuntime) -> AsyncIterator[None]:
    """Open the process's client for hints; closed at the end of the block."""
    sender = Sender(private_addresses=runtime.settings.webhook_private_addresses)
    _SENDERS[runtime] = sender
    try:
        yield
    finally:
        del _SENDERS[runtime]
        await sender.aclose()


def sender_of(runtime: SellingRuntime) -> Sender:
    """The process's client. LookupError where `open_sender` isn't open."""
    return _SENDERS[runtime]


def check_url(url: str, *, private_addresses: bool) -> None:
    """Raise `webhook_address` for what can't be called, by its look alone."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise webhook_address("This is no URL.") from None
    schemes = {"https", "http"} if private_addresses else {"https"}
    if parts.scheme not in schemes:
        raise webhook_address(f"Begin with {' or '.join(sorted(schemes))}://.")
    if not host or parts.username or parts.password or parts.fragment or "\\" in url:
        raise webhook_address("Name a host, and no login, no password and no fragment.")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise webhook_address("Write it without spaces and in ASCII (IDNA, percent-encoded).")
    literal = literal_host(url)
    if literal is not None and not private_addresses and not is_public(literal):
        raise webhook_address("The address must be one that the internet reaches.")


def _sign(attempt: Attempt, secret: str, now: datetime) -> str:
    message = f"msg_{attempt.delivery_id.hex}"
    return Webhook(secret).sign(msg_id=message, timestamp=now, data=attempt.body)


def _outcome(response: httpx.Response, *, now: datetime) -> Outcome:
    if response.is_success:
        return Outcome(status=response.status_code, problem=None, retry_after=None)
    return Outcome(
        status=response.status_code,
        problem=f"The receiver answered {response.status_code}.",
        retry_after=retry_after_seconds(
            response.headers.get("retry-after"), now=now, longest=LONGEST_RETRY_AFTER
        ),
    )


def _failed(problem: str) -> Outcome:
    return Outcome(status=None, problem=problem, retry_after=None)
