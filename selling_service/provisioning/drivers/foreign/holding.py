"""Keeps other workers away from a VM while a platform on another machine works on it.

No transaction is open meanwhile: a call of the platform may take minutes. A worker that is frozen
for longer than its hold is passed by; when it goes on, it learns that it was.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sqlalchemy import RowMapping, func
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from selling_service.provisioning.drivers.foreign.store import Store
from selling_service.provisioning.platform import PlatformUnavailable

# What is to be written about a VM, given what is known; it may refuse.
Decide = Callable[[Store, RowMapping | None], Awaitable[dict[str, Any]]]
_T = TypeVar("_T")
_LOOK_SECONDS = 0.05
_FREE = {"held_by": None, "held_until": None}


class Holding:
    """Takes a VM, keeps it, and lets it go. Seconds: how long a hold lives, how long to wait."""

    def __init__(
        self, engine: AsyncEngine, *, platform: str, lease: float, patience: float
    ) -> None:
        self._engine = engine
        self._platform = platform
        self._lease = lease
        self._patience = patience

    async def transact(self, work: Callable[[Store], Awaitable[_T]]) -> _T:
        """Do it in one transaction. Raises `PlatformUnavailable` where the database is away."""
        try:
            async with self._engine.begin() as connection:
                return await work(Store(connection, platform=self._platform))
        except (DBAPIError, OSError) as error:
            raise PlatformUnavailable("what is known of the platform can't be read") from error

    async def take(self, vm_id: UUID, decide: Decide) -> tuple[UUID, RowMapping]:
        """Wait until the VM is free, write what is decided, and hold it: the token, and its row."""
        token = uuid4()

        async def attempt(store: Store) -> RowMapping | None:
            kept = await store.hold_vm(vm_id)
            if kept is not None and kept["held"]:
                return None
            changes = {**await decide(store, kept), **self._held(token)}
            if kept is None:
                return await store.put_vm(vm_id, changes)
            return await store.change_vm(vm_id, changes)

        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._patience):
                while (row := await self.transact(attempt)) is None:  # noqa: ASYNC110
                    await asyncio.sleep(_LOOK_SECONDS)  # another process may hold it
                return token, row
        raise PlatformUnavailable("another worker is at this VM")

    @asynccontextmanager
    async def kept(self, vm_id: UUID, token: UUID) -> AsyncIterator[None]:
        """Renew the hold while the block runs."""
        renewing = asyncio.create_task(self._renew(vm_id, token), name=f"hold-{vm_id}")
        try:
            yield
        finally:
            renewing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await renewing

    async def let_go(
        self, vm_id: UUID, token: UUID, changes: dict[str, Any] | None = None
    ) -> RowMapping | None:
        """Write what has become of it; None where another call took it over meanwhile."""
        values = {**(changes or {}), **_FREE}
        return await self.transact(lambda store: store.change_held(vm_id, values, token=token))

    async def _renew(self, vm_id: UUID, token: UUID) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            with contextlib.suppress(PlatformUnavailable):
                await self.transact(
                    lambda store: store.change_held(vm_id, self._held(token), token=token)
                )

    def _held(self, token: UUID) -> dict[str, Any]:
        until = func.clock_timestamp() + timedelta(seconds=self._lease)
        return {"held_by": token, "held_until": until}
