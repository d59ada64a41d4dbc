"""Applies what a seller's feed tells: each event once, in order, and the cursor moves with it.

Knows nothing of how events are read, and leaves what they mean to the room of services.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter, Histogram
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError

from reselling_service.sellers.models import SellerFeed
from reselling_service.sellers.queries import SellerAccess
from reselling_service.services import actions as services
from reselling_service.services.queries import lock_all
from reselling_service.sync.queries import lock_feed
from shared.contract.events import Event, read_cursor
from shared.contract.services import ServiceView
from shared.kit.db import DATABASE_AWAY, WriteSession
from shared.kit.telemetry import in_trace

_log = structlog.get_logger(__name__)
_EVENTS = Counter("tandem_events_total", "Events that were read", ["seller", "outcome"])
_LATENCY = Histogram(
    "tandem_event_latency_seconds",
    "From an event's time at the seller to its being applied",
    ["seller"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300),
)
# Deadlocks, lock and statement time-outs, a server that stops: the event isn't to blame.
_PASSING = ("08", "40", "53", "55", "57", "58")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a batch came. `gap`: a number is missing, read again from the cursor."""

    applied: int
    parked: int
    gap: bool


async def apply_events(
    session: WriteSession, access: SellerAccess, events: Sequence[Event]
) -> Progress:
    """Apply a batch in order, skipping what was applied before; stops before a gap."""
    feed = await lock_feed(session, seller_id=access.seller_id)
    number, cursor, at = feed.number, feed.cursor, feed.event_at
    refs = {event.service_ref for event in events if event.service_ref is not None}
    await lock_all(session, access.seller_id, service_refs=refs)
    applied = parked = 0
    gap = False
    for event in events:
        if cursor is not None and event.number <= number:
            _count(access, "repeated")
            continue
        if cursor is not None and event.number != number + 1:
            gap = True
            break
        parked += not await _apply(session, access, event)
        applied += 1
        number, cursor, at = event.number, event.cursor, event.at
    if applied:
        await _move(session, access, number=number, cursor=cursor, at=at)
    return Progress(applied=applied, parked=parked, gap=gap)


async def set_cursor(
    session: WriteSession, *, seller_id: UUID, head: str | None, instead_of: str | None
) -> bool:
    """Go on from the head of the inventory; false where another reader has moved on meanwhile."""
    feed = await lock_feed(session, seller_id=seller_id)
    if feed.cursor != instead_of:
        return False
    number = 0 if head is None else read_cursor(head)[0]
    values = {"cursor": head, "number": number, "read_at": session.clock.now()}
    await _update(session, seller_id, values)
    return True


async def note_mode(
    session: WriteSession, *, seller_id: UUID, mode: str, problem: str | None = None
) -> None:
    """Show how the feed is being read, and that it was read just now unless there is a problem."""
    values: dict[str, object] = {"mode": mode, "problem": problem}
    if problem is None:
        values["read_at"] = session.clock.now()
    await _update(session, seller_id, values)


async def hear_view(
    session: WriteSession,
    access: SellerAccess,
    view: ServiceView,
    *,
    heard_before: int | None = None,
) -> bool:
    """Apply a service that was read by GET; false where that failed and it is parked (still).

    `heard_before`: the revision that was heard before it was asked for.
    """
    applying = services.hear_status(session, access.seller_id, view, heard_before=heard_before)
    return await _guarded(
        session, access, applying, service_ref=view.service_ref, what="service read by GET"
    )


async def _apply(session: WriteSession, access: SellerAccess, event: Event) -> bool:
    if event.installation_id != access.installation_id:
        _count(access, "skipped")
        return True
    # What follows from it belongs to its trail, not to that of the reader, who never ends.
    with in_trace(event.traceparent, name=f"apply {event.type}") as span:
        applied = await _guarded(
            session,
            access,
            services.hear(session, access.seller_id, event),
            service_ref=event.service_ref,
            what=f"event {event.number} ({event.type})",
        )
        span.note("tandem.event.outcome", "applied" if applied else "parked")
    _count(access, "applied" if applied else "parked")
    return applied


async def _guarded(
    session: WriteSession,
    access: SellerAccess,
    applying: Awaitable[object],
    *,
    service_ref: UUID | None,
    what: str,
) -> bool:
    try:
        async with session.begin_nested():
            await applying
    except Exception as error:
        if is_passing(error):
            raise
        _log.exception("sync.parked", what=what, service_ref=str(service_ref))
        if service_ref is not None:
            # The class alone: an error's words may quote what must not be kept.
            reason = f"{what}: {type(error).__name__}"
            await services.park(
                session, seller_id=access.seller_id, service_ref=service_ref, reason=reason
            )
        return False
    return True


def is_passing(error: Exception) -> bool:
    """Whether trying the same again may help."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None) or ""
        return error.connection_invalidated or state.startswith(_PASSING)
    return isinstance(error, DATABASE_AWAY)


async def _move(
    session: WriteSession,
    access: SellerAccess,
    *,
    number: int,
    cursor: str | None,
    at: datetime | None,
) -> None:
    now = session.clock.now()
    values: dict[str, object] = {"number": number, "cursor": cursor, "event_at": at, "read_at": now}
    if at is not None:
        by_ours = at - timedelta(milliseconds=access.clock_offset_ms)
        seconds = max((now - by_ours).total_seconds(), 0.0)
        values["latency_ms"] = min(round(seconds * 1000), 2**31 - 1)
        _LATENCY.labels(str(access.seller_id)).observe(seconds)
    await _update(session, access.seller_id, values)


async def _update(session: WriteSession, seller_id: UUID, values: Mapping[str, object]) -> None:
    await session.execute(
        update(SellerFeed)
        .where(SellerFeed.seller_id == seller_id)
        .values(**values)
        .execution_options(synchronize_session=False)
    )


def _count(access: SellerAccess, outcome: str) -> None:
    _EVENTS.labels(str(access.seller_id), outcome).inc()
