"""`GET /events` by long poll, and `GET /events/stream` as server-sent events."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent

from selling_service.database import RuntimeDep
from selling_service.events.queries import event_of, find_head
from selling_service.events.routes.reader import OpenStreams, Reader
from selling_service.partners.routes import FOR_KEYS, needs
from selling_service.partners.rules import PartnerPrincipal
from shared.contract import problems as catalogue
from shared.contract.basics import Scope
from shared.contract.events import EventPage
from shared.kit.db import DATABASE_AWAY
from shared.kit.problems import declare

BEAT_SECONDS = 5.0
_BATCH = 200
_COMMON = (
    *FOR_KEYS,
    catalogue.CURSOR_INVALID,
    catalogue.CURSOR_LOST,
    catalogue.CURSOR_EXPIRED,
    catalogue.INVALID_REQUEST,
    catalogue.INTERNAL_ERROR,
)

_log = structlog.get_logger(__name__)
router = APIRouter(tags=["events"])
Principal = Annotated[PartnerPrincipal, needs(Scope.EVENTS_READ)]
After = Annotated[
    str | None,
    Query(
        max_length=64,
        description="The `cursor` of the last event applied; leave it out to begin with the oldest "
        "event that is kept.",
    ),
]


def _reader(request: Request, runtime: RuntimeDep, principal: Principal) -> Reader:
    return Reader(runtime, principal, stopping=request.app.state.stopping)


async def _stream_start(
    reader: Annotated[Reader, Depends(_reader)],
    after: After = None,
    last_event_id: Annotated[
        str | None,
        Header(max_length=64, description="As `after`, and goes before it: browsers send it."),
    ] = None,
) -> int:
    return await reader.start(last_event_id or after)


async def _stream_slot(
    request: Request, runtime: RuntimeDep, principal: Principal
) -> AsyncIterator[None]:
    state = request.app.state
    if not hasattr(state, "open_streams"):
        state.open_streams = OpenStreams()
    streams: OpenStreams = state.open_streams
    with streams.one_more(principal.key_id, most=runtime.settings.open_streams):
        yield


@router.get(
    "/events",
    summary="Read the feed",
    description="Events after the cursor, oldest first. With `wait`, an empty feed is answered "
    "only after that many seconds, or as soon as something happens. Reading changes nothing: any "
    "number of readers may follow one feed. Events of the partner's other installations are in it "
    "too; skip those whose `installation_id` isn't yours.",
    responses=declare(*_COMMON),
)
async def read_events(
    *,
    runtime: RuntimeDep,
    principal: Principal,
    reader: Annotated[Reader, Depends(_reader)],
    after: After = None,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at the most.")] = 100,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for news.")] = 0,
) -> EventPage:
    """A page; long poll with `wait`."""
    deadline = asyncio.get_running_loop().time() + wait
    number = await reader.start(after)
    items = []
    async with contextlib.aclosing(reader.batches(number, limit=limit)) as batches:
        async for rows in batches:
            items = [event_of(row) for row in rows]
            if items or asyncio.get_running_loop().time() >= deadline:
                break
    async with runtime.app.read(tenant=principal.partner_id) as session:
        head = await find_head(session, principal.partner_id)
    return EventPage(items=items, next=items[-1].cursor if items else after, head=head)


@router.get(
    "/events/stream",
    summary="Follow the feed as server-sent events",
    description="Each event has `id:` (its cursor), `event:` (its type) and `data:` (the event as "
    "in `GET /events`). A comment comes every 5 s: after 15 s of silence, reconnect with "
    "`Last-Event-ID`. The stream ends when the key is revoked or over.",
    response_class=EventSourceResponse,
    dependencies=[Depends(_stream_slot)],
    responses=declare(*_COMMON, catalogue.TOO_MANY_STREAMS),
)
async def stream_events(
    reader: Annotated[Reader, Depends(_reader)],
    start: Annotated[int, Depends(_stream_start)],
) -> AsyncIterator[ServerSentEvent]:
    """The feed for ever."""
    now = asyncio.get_running_loop().time
    yield ServerSentEvent(comment="the feed begins")
    beat_at = now() + BEAT_SECONDS
    try:
        async with contextlib.aclosing(reader.batches(start, limit=_BATCH)) as batches:
            async for rows in batches:
                for row in rows:
                    event = event_of(row)
                    yield ServerSentEvent(id=event.cursor, event=str(event.type), data=event)
                if now() >= beat_at:
                    yield ServerSentEvent(comment="still here")
                    beat_at = now() + BEAT_SECONDS
    except DATABASE_AWAY as error:
        # The answer has begun: all that can be said is the end, and the reader comes back.
        _log.warning("events.stream_ended", error=type(error).__name__)
