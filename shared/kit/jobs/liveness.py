"""Shows that a worker lives: a lock on a connection of its own, a heartbeat, renewed leases.

The lock vanishes with the process, so that its death is seen at once; the leases end where a host
vanishes without a word. What is worked on, and how, it doesn't know.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import asyncpg
import structlog

from shared.kit.db import DATABASE_AWAY, Database
from shared.kit.jobs.queue import LOCK_CLASS

_log = structlog.get_logger(__name__)
HEARTBEAT_SECONDS = 2.0
RECONNECT_SECONDS = 0.25
ANSWER_SECONDS = 5.0

# Shared, so that a session of ours that the server still takes for alive doesn't keep us out.
_LOCK = "SELECT pg_advisory_lock_shared($1, $2)"
_SEEN = """
INSERT INTO workers (worker, started_at, seen_at)
VALUES ($1, clock_timestamp(), clock_timestamp())
ON CONFLICT (worker) DO UPDATE SET seen_at = clock_timestamp()
"""
_FORGET = "DELETE FROM workers WHERE seen_at < clock_timestamp() - interval '1 hour'"
# A locked job is being closed or moved this very moment: waiting for it could be a deadlock.
_RENEW = """
WITH mine AS (
    SELECT id FROM jobs WHERE worker = $1 AND state = 'running' AND id = any($3::bigint[])
    FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET lease_until = clock_timestamp() + $2 * interval '1 second'
FROM mine WHERE jobs.id = mine.id
"""


class Liveness:
    """`held` is set while this worker's lock is; `on_held` is called whenever it was taken."""

    def __init__(
        self,
        database: Database,
        *,
        number: int,
        lease_seconds: float,
        in_hand: Callable[[], Sequence[int]],
        on_held: Callable[[], None],
    ) -> None:
        self._database = database
        self._number = number
        self._lease = lease_seconds
        self._in_hand = in_hand
        self._on_held = on_held
        self.held = asyncio.Event()

    async def run(self) -> None:
        """Hold the lock until cancelled; take it again whenever it was lost."""
        while True:
            try:
                await self._hold()
            except DATABASE_AWAY as error:
                _log.warning("worker.liveness_lost", error=type(error).__name__)
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _hold(self) -> None:
        arguments = self._database.connect_arguments()
        connection = await asyncpg.connect(
            **arguments, timeout=ANSWER_SECONDS, command_timeout=ANSWER_SECONDS
        )
        gone = asyncio.Event()
        connection.add_termination_listener(lambda _connection: gone.set())
        try:
            await connection.execute(_LOCK, LOCK_CLASS, self._number)
            await connection.execute(_FORGET)
            await self._beat(connection)
            self.held.set()
            self._on_held()
            while not gone.is_set():
                await self._beat(connection)
                pause = min(HEARTBEAT_SECONDS, self._lease / 3)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await gone.wait()
        finally:
            self.held.clear()
            connection.terminate()
        raise ConnectionResetError

    async def _beat(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        await connection.execute(_SEEN, self._number)
        await connection.execute(_RENEW, self._number, self._lease, list(self._in_hand()))
