"""Sends hints over HTTP, signed, to addresses that partners named.

`shared.kit.outwards` judges the addresses; an answer's body isn't read.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

import httpx
from standardwebhooks import Webhook

from selling_service.database import SellingRuntime
from selling_service.events.errors import webhook_address
from selling_service.events.rules import LONGEST_RETRY_AFTER, Attempt
from shared.kit import addresses
from shared.kit.clock import SystemClock
from shared.kit.outwards import FAULTS, open_client, went_astray
from shared.kit.patience import retry_after_seconds
from shared.kit.telemetry import Span, SpanKind, in_span
from shared.kit.tls import Trust, client_context

SECONDS = 15.0
MOST_CONNECTIONS = 50


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


class Sender:
    """The one HTTP client for hints of a process."""

    def __init__(self, *, private_addresses: bool, authority: str | None = None) -> None:
        self._http = open_client(
            private_addresses=private_addresses,
            most_connections=MOST_CONNECTIONS,
            seconds=SECONDS,
            headers={"User-Agent": "tandem-webhooks", "Content-Type": "application/json"},
            context=None if authority is None else client_context(Trust(authority=authority)),
            keep_open=False,
        )

    async def send(self, attempt: Attempt) -> Outcome:
        """Make one attempt; never raises for what the wire does."""
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
            with in_span("POST webhook", kind=SpanKind.CLIENT) as span:
                _note_attempt(span, attempt)
                async with (
                    asyncio.timeout(SECONDS),
                    self._http.stream(
                        "POST", attempt.url, content=attempt.body.encode(), headers=headers
                    ) as response,
                ):
                    span.note("http.response.status_code", response.status_code)
                    return _outcome(response, now=now)
        except FAULTS as error:
            if went_astray(error):
                return _failed("The address is not a public one.")
            cause = error.__cause__ or error
            slow = isinstance(error, TimeoutError | httpx.TimeoutException)
            what = "No answer in time" if slow else "The connection can't be made or broke"
            return _failed(f"{what} ({type(cause).__name__}).")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()


_SENDERS: WeakKeyDictionary[SellingRuntime, Sender] = WeakKeyDictionary()


@asynccontextmanager
async def open_sender(runtime: SellingRuntime) -> AsyncIterator[None]:
    """Open the process's client for hints; closed at the end of the block."""
    own = runtime.settings.webhook_authority
    sender = Sender(
        private_addresses=runtime.settings.webhook_private_addresses,
        authority=None if own is None else own.read_text(encoding="ascii"),
    )
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
        addresses.check_url(url, private_addresses=private_addresses)
    except ValueError as error:
        raise webhook_address(str(error)) from None


def _sign(attempt: Attempt, secret: str, now: datetime) -> str:
    message = f"msg_{attempt.delivery_id.hex}"
    return Webhook(secret).sign(msg_id=message, timestamp=now, data=attempt.body)


def _note_attempt(span: Span, attempt: Attempt) -> None:
    span.note("http.request.method", "POST")
    # The host alone: a path or a query may hold a secret of the receiver's.
    span.note("server.address", httpx.URL(attempt.url).host)
    span.note("tandem.webhook.attempt", attempt.number)


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
