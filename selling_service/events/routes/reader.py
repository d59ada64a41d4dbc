"""Follows one partner's feed: wakes on hints, polls in case one was lost, holds no connection."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from uuid import UUID

from selling_service.database import SellingRuntime
from selling_service.events.actions import EVENTS_CHANNEL
from selling_service.events.errors import too_many_streams
from selling_service.events.models import EventRow
from selling_service.events.queries import find_start, list_events
from selling_service.partners.queries import is_still_good
from selling_service.partners.rules import PartnerPrincipal

POLL_SECONDS = 0.5
RECHECK_SECONDS = 3.0


class OpenStreams:
    """How many streams each key has open in this process."""

    def __init__(self) -> None:
        self._open: Counter[UUID] = Counter()

    @contextlib.contextmanager
    def one_more(self, key_id: UUID, *, most: int) -> Iterator[None]:
        """Counts as open while the block runs. Raises `too_many_streams`."""
        if self._open[key_id] >= most:
            raise too_many_streams(most)
        self._open[key_id] += 1
        try:
            yield
        finally:
            self._open[key_id] -= 1
            if not self._open[key_id]:
                del self._open[key_id]


class Reader:
    """Reads the feed for one principal until told to stop."""

    def __init__(
        self, runtime: SellingRuntime, principal: PartnerPrincipal, *, stopping: asyncio.Event
    ) -> None:
        self._runtime = runtime
        self._principal = principal
        self._stopping = stopping

    async def start(self, cursor: str | None) -> int:
        """Where to read on. Raises `cursor_invalid`, `cursor_lost`, `cursor_expired`."""
        partner_id = self._principal.partner_id
        async with self._runtime.app.read(tenant=partner_id) as session:
            return await find_start(session, partner_id, cursor=cursor)

    async def batches(self, after: int, *, limit: int) -> AsyncGenerator[Sequence[EventRow], None]:
        """What comes after this number, for ever; an empty batch whenever there is nothing new.

        Ends when the process stops, or the key is no longer in force: it is told nothing more.
        """
        now = asyncio.get_running_loop().time
        recheck_at = now() + RECHECK_SECONDS
        partner_id = self._principal.partner_id
        subscription = self._runtime.hints.subscribe(EVENTS_CHANNEL, str(partner_id))
        async with subscription as hint:
            while not self._stopping.is_set():
                hint.clear()
                async with self._runtime.app.read(tenant=partner_id) as session:
                    rows = await list_events(session, partner_id, after=after, limit=limit)
                    # Asked after the reading, so that no news goes to a key that was over by then.
                    if rows or now() >= recheck_at:
                        if not await is_still_good(session, self._principal):
                            return
                        recheck_at = now() + RECHECK_SECONDS
                yield rows
                after = rows[-1].number if rows else after
                if len(rows) < limit:
                    await self._wait(hint)

    async def _wait(self, hint: asyncio.Event) -> None:
        waits = [asyncio.create_task(event.wait()) for event in (hint, self._stopping)]
        try:
            await asyncio.wait(waits, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
