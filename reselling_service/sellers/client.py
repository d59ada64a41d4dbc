"""Speaks the contract to a seller over HTTP, and says what an answer means: nothing is guessed.

Knows no database. Redirects are never followed, cookies never kept, bodies never logged.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from uuid import UUID
from weakref import WeakKeyDictionary

import httpx

from reselling_service.database import ResellingRuntime
from reselling_service.sellers.errors import NOT_A_SELLER, SELLER_UNREACHABLE, SellerProblem
from reselling_service.sellers.rules import (
    LONGEST_RETRY_AFTER,
    Accepted,
    Answer,
    CancelReply,
    Heartbeat,
    NotCancellable,
    Nothing,
    Refused,
    Remembered,
    Reply,
    Shape,
    SSELines,
    is_final,
    problem_of,
)
from shared.contract.basics import BASE_PATH, IDEMPOTENCY_HEADER, REPLAYED_HEADER, Page
from shared.contract.events import Event, EventPage
from shared.contract.offers import About, Catalog
from shared.contract.operations import CommandRecord, Operation
from shared.contract.problems import (
    COMMAND_NOT_CANCELLABLE,
    NOT_FOUND,
    WEBHOOK_EXISTS,
)
from shared.contract.services import InventoryPage, ServiceView
from shared.contract.trail import Trail
from shared.contract.webhooks import (
    NewWebhookEndpoint,
    WebhookEndpoint,
    WebhookEndpointSecret,
)
from shared.kit.clock import Clock
from shared.kit.outwards import FAULTS, open_client, went_astray
from shared.kit.patience import retry_after_seconds
from shared.kit.telemetry import SpanKind, Trace, current_trace, in_span
from shared.kit.tls import Trust, client_context

__all__ = [
    "Accepted",
    "Heartbeat",
    "Line",
    "NotCancellable",
    "Nothing",
    "Refused",
    "Remembered",
    "SellerClient",
    "client_for",
    "open_line",
]

LONGEST_BODY = 16 * 2**20
LONGEST_EVENT = 2**20
MOST_CONNECTIONS = 200
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Line:
    """The one HTTP client of a process, which all sellers share."""

    def __init__(
        self,
        *,
        clock: Clock,
        timeout_seconds: float,
        silence_seconds: float,
        private_addresses: bool,
    ) -> None:
        self.clock = clock
        self.timeout_seconds = timeout_seconds
        self.silence_seconds = silence_seconds
        self._private = private_addresses
        self._open: dict[Trust, httpx.AsyncClient] = {}

    def http(self, trust: Trust) -> httpx.AsyncClient:
        """The client for sellers that are trusted so. Raises ValueError for PEM without use."""
        if trust not in self._open:
            self._open[trust] = open_client(
                private_addresses=self._private,
                most_connections=MOST_CONNECTIONS,
                seconds=self.timeout_seconds,
                headers={"User-Agent": "tandem-reseller", "Accept-Encoding": "identity"},
                context=client_context(trust),
            )
        return self._open[trust]

    async def aclose(self) -> None:
        """Close all connections."""
        for http in self._open.values():
            await http.aclose()


_LINES: WeakKeyDictionary[ResellingRuntime, Line] = WeakKeyDictionary()


@asynccontextmanager
async def open_line(runtime: ResellingRuntime) -> AsyncIterator[Line]:
    """Open the process's line to all sellers; closed at the end of the block."""
    line = Line(
        clock=runtime.clock,
        timeout_seconds=runtime.settings.call_timeout_seconds,
        silence_seconds=runtime.settings.stream_silence_seconds,
        private_addresses=runtime.settings.seller_private_addresses,
    )
    _LINES[runtime] = line
    try:
        yield line
    finally:
        del _LINES[runtime]
        await line.aclose()


def client_for(runtime: ResellingRuntime, *, url: str, key: str, trust: Trust) -> "SellerClient":
    """Return a seller's client on the process's line. `open_line` must be open: LookupError."""
    return SellerClient(_LINES[runtime], url=url, key=key, trust=trust)


class SellerClient:
    """One seller, as its partner sees it. Cheap to make.

    `send` and `cancel` never raise for what the wire does. The reads raise SellerProblem, which
    the staff's API can answer as it is.
    """

    def __init__(self, line: Line, *, url: str, key: str, trust: Trust) -> None:
        self._line = line
        self._http = line.http(trust)
        self._base = f"{url}{BASE_PATH}"
        self._key = key

    async def about(self) -> About:
        """Who the seller is and what it can do."""
        return await self.read(About, "/about")

    async def catalog(self) -> Catalog:
        """What may be resold, at our prices."""
        return await self.read(Catalog, "/catalog")

    async def inventory(self, after: str | None = None, *, prefix: str = "") -> InventoryPage:
        """A page of the compact list of our services, or of those of a range."""
        return await self.read(InventoryPage, "/inventory", after=after, prefix=prefix or None)

    async def events(self, after: str | None, *, limit: int = 200, wait: int = 0) -> EventPage:
        """Events after the cursor; waits up to `wait` seconds for the first one."""
        seconds = self._line.timeout_seconds + wait
        return await self.read(
            EventPage, "/events", seconds=seconds, after=after, limit=limit, wait=wait
        )

    async def service(self, service_ref: UUID) -> ServiceView | None:
        """One service, or None where the seller has none of that name."""
        return await self._find(ServiceView, f"/services/{service_ref}")

    async def command(self, command_id: UUID) -> CommandRecord | None:
        """What became of a command; None where it never arrived."""
        return await self._find(CommandRecord, f"/commands/{command_id}")

    async def trail(self, trace_id: str) -> Trail | None:
        """What the seller knows of a trace, or None where it knows nothing."""
        return await self._find(Trail, f"/trail/{trace_id}")

    async def send(
        self, *, path: str, body: bytes, command_id: UUID, traceparent: str | None
    ) -> Reply:
        """Send a command. `body` goes out as it is; the id is its Idempotency-Key."""
        headers = {IDEMPOTENCY_HEADER: str(command_id), "Content-Type": "application/json"}
        answer = await self._call("POST", path, headers=headers, body=body, trace=traceparent)
        if isinstance(answer, Nothing):
            return answer
        if answer.succeeded:
            operation = answer.read(Operation)
            if operation is not None:
                replayed = answer.headers.get(REPLAYED_HEADER, "").lower() == "true"
                return Accepted(operation=operation, replayed=replayed)
        problem = answer.problem
        media_type = answer.headers.get("content-type", "")
        if problem and is_final(status=answer.status, media_type=media_type, problem=problem):
            return Refused(problem=problem)
        return _nothing(answer)

    async def cancel(self, command_id: UUID, *, traceparent: str | None = None) -> CancelReply:
        """Ask to cancel a command, also one that may never have arrived."""
        answer = await self._call("POST", f"/commands/{command_id}/cancel", trace=traceparent)
        if isinstance(answer, Nothing):
            return answer
        if answer.succeeded:
            record = answer.read(CommandRecord)
            if record is not None and record.command_id == command_id:
                return Remembered(record=record)
        problem = answer.problem
        if problem is not None and problem.code == COMMAND_NOT_CANCELLABLE.code:
            return NotCancellable(problem=problem)
        return _nothing(answer)

    async def add_webhook(self, url: str) -> WebhookEndpointSecret:
        """Have hints sent to this address, also where they were asked for before."""
        body = NewWebhookEndpoint(url=url).model_dump_json().encode()
        try:
            return await self._post(WebhookEndpointSecret, "/webhook-endpoints", body=body)
        except SellerProblem as problem:
            if problem.code != WEBHOOK_EXISTS.code:
                raise
        # An answer that was lost has left it behind, and its secret is unknown here.
        known = await self.read(Page[WebhookEndpoint], "/webhook-endpoints")
        endpoint_id = next((each.id for each in known.items if each.url == url), None)
        return await self._post(
            WebhookEndpointSecret, f"/webhook-endpoints/{endpoint_id}/rotate-secret"
        )

    async def remove_webhook(self, endpoint_id: UUID) -> None:
        """Have no more hints sent; none of that id is no error."""
        answer = await self._call("DELETE", f"/webhook-endpoints/{endpoint_id}")
        if isinstance(answer, Nothing):
            raise problem_of(answer)
        if not answer.succeeded and answer.status != NOT_FOUND.status:
            raise problem_of(_nothing(answer))

    async def stream(self, after: str | None) -> AsyncGenerator[Event | Heartbeat]:
        """Events after the cursor as they happen. Raises SellerProblem when it breaks or ends."""
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = after
        timeout = httpx.Timeout(self._line.timeout_seconds, read=self._line.silence_seconds)
        request = self._http.build_request(
            "GET", f"{self._base}/events/stream", headers=self._headers(headers), timeout=timeout
        )
        try:
            async with aclosing(await self._http.send(request, stream=True)) as response:
                await self._check_stream(response)
                lines = SSELines(longest=LONGEST_EVENT)
                async for chunk in response.aiter_raw():
                    for found in lines.feed(chunk):
                        yield Heartbeat() if found is None else Event.model_validate_json(found[1])
        except FAULTS as error:
            raise _unreachable(error) from error
        except ValueError as error:
            detail = "The stream of events can't be read: it isn't what the contract says."
            raise SellerProblem(NOT_A_SELLER, detail) from error
        raise SellerProblem(SELLER_UNREACHABLE, "The seller ended the stream of events.")

    async def _check_stream(self, response: httpx.Response) -> None:
        media_type = response.headers.get("content-type", "")
        if response.status_code == 200 and media_type.startswith("text/event-stream"):  # noqa: PLR2004
            return
        body = await _limited(response)
        raise problem_of(_nothing(self._answer(response, body)))

    async def _find(self, shape: type[Shape], path: str) -> Shape | None:
        try:
            return await self.read(shape, path)
        except SellerProblem as problem:
            if problem.code == NOT_FOUND.code and problem.status == NOT_FOUND.status:
                return None
            raise

    async def read(
        self, shape: type[Shape], path: str, *, seconds: float | None = None, **query: object
    ) -> Shape:
        given = {name: str(value) for name, value in query.items() if value is not None}
        return _shaped(shape, await self._call("GET", path, query=given, seconds=seconds))

    async def _post(self, shape: type[Shape], path: str, *, body: bytes = b"") -> Shape:
        headers = {"Content-Type": "application/json"}
        return _shaped(shape, await self._call("POST", path, headers=headers, body=body or None))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        seconds: float | None = None,
        trace: str | None = None,
    ) -> Answer | Nothing:
        seconds = seconds or self._line.timeout_seconds
        try:
            # The transport bounds each read; only this bounds a body that drips.
            with in_span(f"{method} seller", kind=SpanKind.CLIENT, traceparent=trace) as span:
                span.note("http.request.method", method)
                span.note("url.template", f"{BASE_PATH}{_ID.sub('{id}', path)}")
                async with (
                    asyncio.timeout(seconds),
                    self._http.stream(
                        method,
                        f"{self._base}{path}",
                        params=query or None,
                        content=body,
                        headers=self._headers(headers or {}, span.trace),
                        timeout=seconds,
                    ) as response,
                ):
                    span.note("http.response.status_code", response.status_code)
                    return self._answer(response, await _limited(response))
        except FAULTS as error:
            reason = _unreachable(error).detail
            return Nothing(status=None, code=None, reason=reason, retry_after=None)

    def _headers(self, more: Mapping[str, str], trace: Trace | None = None) -> dict[str, str]:
        return {
            "Authorization": f"Bearer {self._key}",
            "traceparent": (trace or current_trace()).header(),
            **more,
        }

    def _answer(self, response: httpx.Response, body: bytes) -> Answer:
        now = self._line.clock.now()
        wait = retry_after_seconds(
            response.headers.get("retry-after"), now=now, longest=LONGEST_RETRY_AFTER
        )
        return Answer(
            status=response.status_code, headers=response.headers, body=body, retry_after=wait
        )


async def _limited(response: httpx.Response) -> bytes:
    """The body as it came. A compressed one, which we never ask for, may be a bomb: it is none."""
    if response.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise httpx.DecodingError("the body is compressed", request=response.request)
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise httpx.ReadError("the body is too long", request=response.request)
    return bytes(body)


def _shaped(shape: type[Shape], answer: Answer | Nothing) -> Shape:
    """The answer in its shape. Raises SellerProblem where it is none of that."""
    if isinstance(answer, Nothing):
        raise problem_of(answer)
    found = answer.read(shape) if answer.succeeded else None
    if found is None:
        raise problem_of(_nothing(answer))
    return found


def _nothing(answer: Answer) -> Nothing:
    problem = answer.problem
    if problem is not None and not answer.succeeded:
        reason = f"{answer.status} {problem.code}: {problem.title}"
    else:
        reason = f"{answer.status} with a body that isn't of the contract"
    return Nothing(
        status=answer.status,
        code=problem.code if problem else None,
        reason=reason,
        retry_after=answer.retry_after,
        request_id=problem.request_id if problem else None,
    )


def _unreachable(error: BaseException) -> SellerProblem:
    if went_astray(error):
        return SellerProblem(SELLER_UNREACHABLE, "The address isn't one of the internet's.")
    slow = isinstance(error, TimeoutError | httpx.ReadTimeout)
    what = "No answer in time" if slow else "The connection can't be made or broke"
    cause = error.__cause__ or error
    return SellerProblem(SELLER_UNREACHABLE, f"{what} ({type(cause).__name__}).")
