"""Moves the sandbox's clock on, for rehearsals of renewals and expiry. Never offered elsewhere."""

from datetime import timedelta

from sqlalchemy import func, text, update

from shared.contract.problems import INVALID_REQUEST
from shared.kit.clock import SandboxClock
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people.auditing import audit
from shared.kit.people.principals import Doer
from shared.kit.people.tables import People
from shared.kit.problems import ProblemError, not_found
from shared.kit.runtime import CLOCK_CHANNEL, Runtime
from shared.kit.settings import ServiceSettings

_FURTHEST = timedelta(days=100 * 366)
_ADVANCE = text(
    'INSERT INTO sandbox_clock ("only", offset_seconds) VALUES (true, :seconds) '
    'ON CONFLICT ("only") DO UPDATE '
    "SET offset_seconds = sandbox_clock.offset_seconds + excluded.offset_seconds "
    "RETURNING offset_seconds"
)
_ADVANCED = text("SELECT offset_seconds FROM sandbox_clock")


def sandbox_clock(runtime: Runtime[ServiceSettings]) -> SandboxClock:
    """The clock that can be moved. Raises `not_found` where this is no sandbox."""
    if not (runtime.settings.sandbox and isinstance(runtime.clock, SandboxClock)):
        raise not_found("clock")
    return runtime.clock


async def advanced_by(session: ReadSession) -> int:
    """Seconds that the clock is ahead."""
    seconds: int | None = await session.scalar(_ADVANCED)
    return seconds or 0


async def advance(
    session: WriteSession, people: People, doer: Doer, clock: SandboxClock, *, seconds: int
) -> int:
    """Move on, for all processes; the seconds that the clock is ahead now.

    Whoever is logged in stays so: their sessions move along. Raises `invalid_request` beyond a
    hundred years.
    """
    ahead: int = (await session.execute(_ADVANCE, {"seconds": seconds})).scalar_one()
    if timedelta(seconds=ahead) > _FURTHEST:
        detail = "The clock is a hundred years ahead. Begin a new sandbox."
        raise ProblemError(INVALID_REQUEST, detail)
    table, by = people.sessions, timedelta(seconds=seconds)
    seen_at = func.coalesce(table.seen_at, table.created_at)
    moved = update(table).values(expires_at=table.expires_at + by, seen_at=seen_at + by)
    await session.execute(moved)
    await audit(
        session,
        people,
        doer,
        "clock.advance",
        object_type="clock",
        object_id="sandbox",
        after={"advance_seconds": seconds, "advanced_seconds": ahead},
    )
    session.hint(CLOCK_CHANNEL)
    # The other processes read the table; here the answer shall tell the new time already.
    clock.offset = timedelta(seconds=ahead)
    return ahead
