"""Sees to it that the feed of each enabled seller has one reader over all worker processes."""

import asyncio
import contextlib
from uuid import UUID

import asyncpg
import structlog

from reselling_service.database import ResellingRuntime
from reselling_service.sellers.queries import SellerAccess, list_accesses
from reselling_service.sync.actions import Reader
from shared.kit.db import DATABASE_AWAY

READER_LOCK_CLASS = 0x7A6E
LOOK_SECONDS = 1.0

_log = structlog.get_logger(__name__)


async def run_readers(runtime: ResellingRuntime, stop: asyncio.Event) -> None:
    """Keep a reader per enabled seller going until `stop`; whichever process is first has it."""
    readers = _Readers(runtime)
    while not stop.is_set():
        try:
            await readers.hold(stop)
        except DATABASE_AWAY as error:
            _log.warning("sync.database_away", error=type(error).__name__)
        await _pause(stop, LOOK_SECONDS)


class _Readers:
    """The readers of this process, and the connection whose locks make them the only ones."""

    def __init__(self, runtime: ResellingRuntime) -> None:
        self._runtime = runtime
        self._running: dict[UUID, tuple[SellerAccess, asyncio.Task[None]]] = {}

    async def hold(self, stop: asyncio.Event) -> None:
        connection = await asyncpg.connect(**self._runtime.staff.connect_arguments())
        try:
            while not stop.is_set():
                async with self._runtime.staff.read() as session:
                    wanted = {each.seller_id: each for each in await list_accesses(session)}
                await self._align(connection, wanted)
                await _pause(stop, LOOK_SECONDS)
        finally:
            for seller_id in list(self._running):
                await self._end(seller_id)
            connection.terminate()

    async def _align(
        self,
        connection: "asyncpg.Connection[asyncpg.Record]",
        wanted: dict[UUID, SellerAccess],
    ) -> None:
        for seller_id, (access, task) in list(self._running.items()):
            now = wanted.get(seller_id)
            if now is None or task.done() or not _same_way(access, now):
                await self._end(seller_id)
                await connection.execute(
                    "SELECT pg_advisory_unlock($1, $2)", READER_LOCK_CLASS, _lock_key(seller_id)
                )
        # Asked each time, also where nothing is to do: a lost connection has lost its locks.
        await connection.execute("SELECT 1")
        for seller_id, access in wanted.items():
            if seller_id not in self._running and await connection.fetchval(
                "SELECT pg_try_advisory_lock($1, $2)", READER_LOCK_CLASS, _lock_key(seller_id)
            ):
                reader = Reader(self._runtime, seller_id)
                task = asyncio.create_task(reader.run(), name=f"reader-{seller_id}")
                self._running[seller_id] = (access, task)

    async def _end(self, seller_id: UUID) -> None:
        _, task = self._running.pop(seller_id)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _same_way(old: SellerAccess, new: SellerAccess) -> bool:
    return (old.url, old.sealed_key) == (new.url, new.sealed_key)


def _lock_key(seller_id: UUID) -> int:
    return int.from_bytes(seller_id.bytes[-4:], "big", signed=True)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
