"""What a process of either service holds while it runs: clock, vault, hints and its databases."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Generic, TypeVar

import structlog
from sqlalchemy import text

from shared.kit.clock import Clock, SandboxClock, SystemClock
from shared.kit.db import DATABASE_AWAY, Context, Database
from shared.kit.fingerprints import learn_fingerprint_key
from shared.kit.hints import Hints
from shared.kit.rls import APP_ROLE, STAFF_ROLE
from shared.kit.settings import ServiceSettings
from shared.kit.vault import Vault
from shared.kit.walls import check_walls, guard

_log = structlog.get_logger(__name__)
# Its hint tells at once; a hint may be lost.
_CLOCK_POLL_SECONDS = 1.0
CLOCK_CHANNEL = "clock"


S = TypeVar("S", bound=ServiceSettings)


class Runtime(Generic[S]):
    """One per process. `app` is bound by row-level security, `staff` sees every tenant."""

    def __init__(self, settings: S, *, tenant_setting: str, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock: Clock = clock or (SandboxClock() if settings.sandbox else SystemClock())
        self.vault = Vault(
            [key.get_secret_value() for key in settings.secret_keys], own_fingerprint_key=True
        )
        url = settings.database_url.get_secret_value()
        app, staff = settings.app_database_url, settings.staff_database_url
        self.hints = Hints(app.get_secret_value() if app else url)
        context = Context(
            clock=self.clock,
            vault=self.vault,
            hints=self.hints,
            currency=settings.currency,
            before_writing=self._open_vault,
        )

        def database(own: str | None, role: str) -> Database:
            return Database(
                own or url,
                context=context,
                role=None if own else role,
                tenant_setting=tenant_setting,
                pool_size=settings.pool_size,
            )

        self.app = database(app.get_secret_value() if app else None, APP_ROLE)
        self.staff = database(staff.get_secret_value() if staff else None, STAFF_ROLE)
        if settings.guards_walls:
            guard(self.app.engine, role=APP_ROLE, prefix=settings.prefix)
            guard(self.staff.engine, role=STAFF_ROLE, prefix=settings.prefix)
        self._following: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connected while the block runs.

        Raises WallsCanFall for a login with too much power, WrongSecretKeys for another database's.
        """
        try:
            await check_walls(self.app, self.staff)
            await self._try_vault()
            await self.hints.start()
            if isinstance(self.clock, SandboxClock):
                await self._set(self.clock)
                follow = self._follow(self.clock)
                self._following = asyncio.create_task(follow, name="sandbox-clock")
            yield
        finally:
            if self._following is not None:
                self._following.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._following
            await self.hints.aclose()
            await self.app.aclose()
            await self.staff.aclose()

    async def _try_vault(self) -> None:
        """A database that can't be asked yet keeps nobody from starting."""
        try:
            await self._open_vault()
        except DATABASE_AWAY as error:
            _log.warning("vault.unopened", error=type(error).__name__)

    async def _open_vault(self) -> None:
        if not self.vault.ready:
            await learn_fingerprint_key(self.staff.engine, self.vault)

    async def _follow(self, clock: SandboxClock) -> None:
        """Keep up with the offset that staff set: all processes live in the same time."""
        async with self.hints.subscribe(CLOCK_CHANNEL) as moved:
            while True:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CLOCK_POLL_SECONDS):
                        await moved.wait()
                moved.clear()
                await self._set(clock)

    async def _set(self, clock: SandboxClock) -> None:
        try:
            async with self.staff.read() as session:
                seconds = await session.scalar(text("SELECT offset_seconds FROM sandbox_clock"))
            # It only moves on: what was read before staff moved it must not put it back.
            clock.offset = max(clock.offset, timedelta(seconds=seconds or 0))
        except DATABASE_AWAY as error:
            _log.warning("clock.unreadable", error=type(error).__name__)
