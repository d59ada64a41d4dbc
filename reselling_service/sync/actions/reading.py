"""Reads one seller's feed: by stream, by long poll, and through the inventory.

What is read is applied by `applying`; who may read is decided by the room's tasks.
"""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import TypeVar
from uuid import UUID

import structlog
from prometheus_client import Counter

from reselling_service.commands.actions import LOOK_UP_JOB, wish_job
from reselling_service.commands.queries import list_accepted
from reselling_service.database import ResellingRuntime
from reselling_service.sellers.actions.link import note_failure, note_success
from reselling_service.sellers.client import SellerClient, client_for
from reselling_service.sellers.errors import NOT_A_SELLER, SELLER_UNREACHABLE, SellerProblem
from reselling_service.sellers.models import SellerFeed
from reselling_service.sellers.queries import SellerAccess, find_access
from reselling_service.sellers.rules import Heartbeat, key_refused
from reselling_service.services import actions as services
from reselling_service.services.queries import find_revisions
from reselling_service.sync import queries
from reselling_service.sync.actions.applying import (
    apply_events,
    hear_view,
    is_passing,
    note_mode,
    set_cursor,
)
from shared.contract.events import Event
from shared.contract.problems import CURSOR_EXPIRED, CURSOR_LOST
from shared.contract.services import InventoryItem
from shared.kit.db import WriteSession
from shared.kit.jobs import enqueue
from shared.kit.reconciling.tables import RECONCILE_JOB

BATCH = 100
STREAM_FAULTS_BEFORE_POLL = 3
GAPS_BEFORE_INVENTORY = 3
POLL_FOR_SECONDS = 60.0
POLL_WAIT_SECONDS = 20
PARKED_SECONDS = 10.0
SHOW_SECONDS = 5.0
HINT_CHANNEL = "feed_hint"
LONGEST_PAUSE = 5.0

_log = structlog.get_logger(__name__)
_TROUBLES = Counter("tandem_seller_feed_troubles_total", "Feeds that can't be read", ["seller"])
_LOST = frozenset({CURSOR_LOST.code, CURSOR_EXPIRED.code})

Given = TypeVar("Given")
Item = Event | Heartbeat | SellerProblem


class Reader:
    """Reads one seller's feed until it is cancelled. Being cancelled at any point loses nothing."""

    def __init__(self, runtime: ResellingRuntime, seller_id: UUID) -> None:
        self._runtime = runtime
        self._seller_id = seller_id
        self._stream_faults = 0
        self._failures = 0
        self._gaps = 0
        self._lost = False
        self._complained = False
        self._mode = ""
        self._shown_at = 0.0
        self._parked_at = 0.0

    async def run(self) -> None:
        """Read on, whatever happens."""
        while True:
            try:
                await self._read_or_learn_why_not()
            except Exception as error:  # noqa: BLE001 - the loop's edge: a dead reader is silent
                if is_passing(error):
                    _log.warning("reader.database_away", error=type(error).__name__)
                else:
                    _log.exception("reader.failed", seller=str(self._seller_id))
                await self._rest()

    async def _read_or_learn_why_not(self) -> None:
        try:
            await self._read()
        except SellerProblem as problem:
            await self._after(problem)

    async def _read(self) -> None:
        access = await self._transaction(self._find_access)
        feed = await self._transaction(self._find_feed)
        cursor = feed.cursor
        client = client_for(self._runtime, url=access.url, key=access.key, trust=access.trust)
        if cursor is None or self._lost:
            cursor = await self._catch_up(client, access, cursor)
        if self._stream_faults < STREAM_FAULTS_BEFORE_POLL:
            await self._follow(client, access, cursor)
        else:
            await self._poll(client, access, cursor)
            self._stream_faults = 0

    async def _follow(self, client: SellerClient, access: SellerAccess, cursor: str | None) -> None:
        items: asyncio.Queue[Item] = asyncio.Queue(maxsize=10 * BATCH)
        pump = asyncio.create_task(_pump(client, cursor, items))
        try:
            while True:
                batch, problem = await self._next_batch(items)
                access = await self._well(access, "stream")
                self._stream_faults = 0
                if not await self._apply(client, access, batch):
                    return
                if problem is not None:
                    raise problem
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump

    async def _next_batch(
        self, items: asyncio.Queue[Item]
    ) -> tuple[list[Event], SellerProblem | None]:
        """Whatever is there, at least a sign of life. Raises SellerProblem after silence."""
        seconds = self._runtime.settings.stream_silence_seconds
        try:
            async with asyncio.timeout(seconds):
                item = await items.get()
        except TimeoutError as error:
            detail = "The stream of events fell silent."
            raise SellerProblem(SELLER_UNREACHABLE, detail) from error
        if isinstance(item, SellerProblem):
            raise item
        batch: list[Event] = []
        while True:
            if isinstance(item, SellerProblem):
                return batch, item
            if isinstance(item, Event):
                batch.append(item)
            if len(batch) >= BATCH or items.empty():
                return batch, None
            item = items.get_nowait()

    async def _poll(self, client: SellerClient, access: SellerAccess, cursor: str | None) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + POLL_FOR_SECONDS
        while loop.time() < until:
            page = await client.events(cursor, limit=BATCH, wait=POLL_WAIT_SECONDS)
            access = await self._well(access, "poll")
            if not await self._apply(client, access, page.items):
                return
            cursor = page.next or cursor

    async def _apply(self, client: SellerClient, access: SellerAccess, batch: list[Event]) -> bool:
        """Apply a batch and read again what is parked; false where to read from the cursor."""
        gap = False
        if batch:
            progress = await self._transaction(lambda session: apply_events(session, access, batch))
            gap = progress.gap
            if progress.parked:
                self._parked_at = 0.0
        await self._read_parked(client, access)
        if not gap:
            self._gaps = 0 if batch else self._gaps
            return True
        self._gaps += 1
        # What is missing again and again isn't on its way: the inventory knows what came of it.
        self._lost = self._gaps >= GAPS_BEFORE_INVENTORY
        _log.warning("reader.gap", seller=str(self._seller_id), times=self._gaps)
        await self._rest()
        return False

    async def _catch_up(
        self, client: SellerClient, access: SellerAccess, cursor: str | None
    ) -> str | None:
        """Compare everything with the inventory; go on from its head."""
        await self._show("catching_up")
        page = await client.inventory()
        head = page.head
        while True:
            news = await self._compare(page.items)
            for service_ref in news.stale:
                await self._read_service(client, access, service_ref)
            if news.unknown:
                _log.warning("inventory.unknown_services", count=len(news.unknown))
            if page.next is None:
                break
            page = await client.inventory(page.next)
        await self._transaction(lambda session: self._step_over(session, cursor, head))
        self._lost, self._gaps = False, 0
        return (await self._transaction(self._find_feed)).cursor

    async def _compare(self, items: Sequence[InventoryItem]) -> services.News:
        return await self._transaction(
            lambda session: services.hear_inventory(session, self._seller_id, items)
        )

    async def _step_over(self, session: WriteSession, cursor: str | None, head: str | None) -> None:
        await set_cursor(session, seller_id=self._seller_id, head=head, instead_of=cursor)
        if cursor is not None:
            # The feed isn't the one that was read: what else differs, only a comparison shows.
            await enqueue(session, RECONCILE_JOB, payload={}, dedupe_key=RECONCILE_JOB)
        # The events of these may be among those that are stepped over.
        for command in await list_accepted(session, seller_id=self._seller_id):
            await wish_job(session, LOOK_UP_JOB, command)

    async def _read_parked(self, client: SellerClient, access: SellerAccess) -> None:
        now = asyncio.get_running_loop().time()
        if self._parked_at and now < self._parked_at + PARKED_SECONDS:
            return
        self._parked_at = now
        parked = await self._transaction(
            lambda session: queries.list_parked(session, seller_id=self._seller_id, limit=BATCH)
        )
        for service_ref in parked:
            await self._read_service(client, access, service_ref)

    async def _read_service(
        self, client: SellerClient, access: SellerAccess, service_ref: UUID
    ) -> None:
        known = await self._transaction(
            lambda session: find_revisions(session, self._seller_id, refs=[service_ref])
        )
        heard_before = known[service_ref].revision if service_ref in known else None
        try:
            view = await client.service(service_ref)
        except SellerProblem as problem:
            if problem.status is None or key_refused(status=problem.status, code=problem.code):
                raise
            # One service that can't be shown must not keep the others from being heard. Its events
            # may have been stepped over, so that it must be asked for again.
            _log.warning("service.unreadable", service_ref=str(service_ref), code=problem.code)
            reason = f"service read by GET: answered {problem.status}"
            await self._transaction(lambda session: self._park(session, service_ref, reason))
            return
        if view is None:
            _log.warning("service.not_at_seller", service_ref=str(service_ref))
            return
        await self._transaction(
            lambda session: hear_view(session, access, view, heard_before=heard_before)
        )

    async def _park(self, session: WriteSession, service_ref: UUID, reason: str) -> None:
        await services.park(
            session, seller_id=self._seller_id, service_ref=service_ref, reason=reason
        )

    async def _after(self, problem: SellerProblem) -> None:
        """Decide how to go on after the seller failed to answer."""
        if problem.code in _LOST:
            _log.warning("reader.cursor_lost", seller=str(self._seller_id), code=problem.code)
            self._lost = True
            await self._rest()
            return
        streaming = self._stream_faults < STREAM_FAULTS_BEFORE_POLL
        # Events that can't be read even by poll are stepped over by way of the inventory.
        unreadable = problem.type is NOT_A_SELLER and problem.status == HTTPStatus.OK
        self._lost = self._lost or (unreadable and not streaming)
        if problem.code is not None or problem.status is not None:
            # The stream was refused, not broken: another try in a moment would be refused too.
            self._stream_faults = STREAM_FAULTS_BEFORE_POLL
        self._stream_faults += 1
        # A stream that breaks says nothing of other calls. A seller that can't be reached does, and
        # a bad key; what only the feed is refused must not keep a suspension from going out.
        refused = key_refused(status=problem.status, code=problem.code)
        if refused or (problem.status is None and not streaming):
            await self._blame(problem)
        if self._failures or not streaming:
            await self._complain(problem)
        await self._rest(at_least=problem.retry_after)

    async def _complain(self, problem: SellerProblem) -> None:
        if not self._complained:
            self._complained = True
            _TROUBLES.labels(str(self._seller_id)).inc()
            _log.error("seller.feed_broken", seller=str(self._seller_id), reason=problem.detail)
        await self._show("waiting", problem=problem.detail)

    async def _blame(self, problem: SellerProblem) -> None:
        async def note(session: WriteSession) -> None:
            access = await self._find_access(session)
            if access.retry_at is not None:
                return  # The circuit is open already; its probe decides, and this wasn't one.
            await note_failure(
                session, access, status=problem.status, code=problem.code, reason=problem.detail
            )

        await self._transaction(note)

    async def _well(self, access: SellerAccess, mode: str) -> SellerAccess:
        """The seller answers: say so where that is news."""
        self._failures = 0
        self._complained = False
        known = access
        if known.troubled:
            await self._transaction(lambda session: note_success(session, known))
            access = await self._transaction(self._find_access)
        await self._show(mode)
        return access

    async def _show(self, mode: str, *, problem: str | None = None) -> None:
        now = asyncio.get_running_loop().time()
        if mode == self._mode and now < self._shown_at + SHOW_SECONDS:
            return
        self._mode, self._shown_at = mode, now
        await self._transaction(
            lambda session: note_mode(
                session, seller_id=self._seller_id, mode=mode, problem=problem
            )
        )

    async def _find_access(self, session: WriteSession) -> SellerAccess:
        return await find_access(session, seller_id=self._seller_id)

    async def _find_feed(self, session: WriteSession) -> SellerFeed:
        return await queries.find_feed(session, seller_id=self._seller_id)

    async def _transaction(self, act: Callable[[WriteSession], Awaitable[Given]]) -> Given:
        """One transaction, which is finished even where the reader is cancelled meanwhile."""

        async def whole() -> Given:
            async with self._runtime.staff.write() as session:
                return await act(session)

        task = asyncio.create_task(whole())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task])
            raise

    async def _rest(self, *, at_least: float | None = None) -> None:
        self._failures += 1
        seconds = min(LONGEST_PAUSE, 0.1 * 2.0 ** min(self._failures, 10))
        jitter = random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
        least = min(at_least or 0.0, POLL_FOR_SECONDS)
        await asyncio.sleep(least)
        # A hint of the seller's ends the rest of the rest, never what the seller asked for.
        async with self._runtime.hints.subscribe(HINT_CHANNEL, str(self._seller_id)) as hint:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(seconds * jitter - least, 0.0)):
                    await hint.wait()


async def _pump(client: SellerClient, cursor: str | None, items: asyncio.Queue[Item]) -> None:
    """Read the stream ahead of what is being applied, so that events are applied in batches."""
    try:
        async with contextlib.aclosing(client.stream(cursor)) as stream:
            async for item in stream:
                await items.put(item)
    except SellerProblem as problem:
        await items.put(problem)
