"""Workers in a test's hands: they take jobs when told, freeze in a call, wake up late, or die."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import text

from selling_service.provisioning.platform import Platform
from selling_service.services.tasks import tasks
from shared.kit.jobs import Job, Worker, queue
from tests.selling.services.house import House

_CALLS = {
    "ensure_user",
    "create_vm",
    "start_vm",
    "stop_vm",
    "restart_vm",
    "lock_vm",
    "unlock_vm",
    "rename_vm",
    "delete_vm",
    "get_vm",
}


@dataclass
class Freeze:
    """Stop in the `calls`-th call to the platform, before or after it is done there."""

    calls: int
    before: bool
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def hold(self) -> None:
        """Say that the call was reached, and wait."""
        self.reached.set()
        await self.go_on.wait()


_freeze: ContextVar[Freeze | None] = ContextVar("freeze", default=None)


class Gate:
    """The platform behind a gate at which a worker can freeze."""

    def __init__(self, inner: Platform) -> None:
        self._inner = inner
        self.name = inner.name

    def __getattr__(self, name: str) -> Any:
        call: Callable[..., Awaitable[Any]] = getattr(self._inner, name)
        if name not in _CALLS:
            return call

        async def gated(**arguments: Any) -> Any:
            freeze = _freeze.get()
            if freeze is not None:
                freeze.calls -= 1
            here = freeze if freeze is not None and freeze.calls == 0 else None
            if here is not None and here.before:
                await here.hold()
            result = await call(**arguments)
            if here is not None and not here.before:
                await here.hold()
            return result

        return gated


@dataclass
class Frozen:
    """A job in hand of a worker that stands still."""

    task: asyncio.Task[None]
    freeze: Freeze


class Crew:
    """Takes jobs as the worker does, but only when told to."""

    def __init__(self, house: House) -> None:
        self._house = house
        gate = cast("Platform", Gate(house.platforms["simulated"]))
        self._worker = Worker(
            house.runtime.app, tasks=tasks(house.runtime, {"simulated": gate}), lease_seconds=3600
        )
        # Nobody holds its lock: to every sweep, all that it has in hand is lost.
        self._worker._liveness.held.set()
        self.frozen: list[Frozen] = []

    async def claim(self, most: int = 1) -> list[Job]:
        """Claim due jobs."""
        return await self._worker._claim(most)

    async def run(self, job: Job) -> None:
        """Work on a claimed job, whether it is still ours or not."""
        await self._worker._run_job(job)

    async def work(self, most: int = 1) -> int:
        """Claim and work on that many jobs at once; how many there were."""
        jobs = await self.claim(most)
        await asyncio.gather(*(self.run(job) for job in jobs))
        return len(jobs)

    async def freeze(self, *, calls: int, before: bool) -> bool:
        """Work on a job until it is in a call, and leave it there; false where it just ended."""
        for job in await self.claim():
            freeze = Freeze(calls=calls, before=before)
            token = _freeze.set(freeze)
            task = asyncio.create_task(self.run(job))
            _freeze.reset(token)
            reached = asyncio.create_task(freeze.reached.wait())
            await asyncio.wait({task, reached}, return_when=asyncio.FIRST_COMPLETED)
            reached.cancel()
            if not task.done():
                self.frozen.append(Frozen(task, freeze))
                return True
        return False

    async def thaw(self, which: int) -> None:
        """Let a frozen worker go on as if nothing had happened."""
        frozen = self.frozen.pop(which)
        frozen.freeze.go_on.set()
        await frozen.task

    async def kill(self, which: int) -> None:
        """Let a frozen worker die where it stands."""
        frozen = self.frozen.pop(which)
        frozen.task.cancel()
        await asyncio.gather(frozen.task, return_exceptions=True)

    async def sweep(self) -> None:
        """Take away all that is in hand: leases are over, locks are gone."""
        async with self._house.runtime.app.write() as session:
            await queue.free_lost(session, me=0, in_hand=[])

    async def rest(self) -> None:
        """Wake everybody, retry what waits for staff, and work until nothing is left to do."""
        while self.frozen:
            await self.thaw(0)
        async with self._house.runtime.staff.write() as session:
            dead = (await session.scalars(text("SELECT id FROM jobs WHERE state = 'dead'"))).all()
            await queue.revive_jobs(session, ids=list(dead))
        for _ in range(400):
            await self.sweep()
            if await self.work(8):
                continue
            if not await self._house.count("jobs", f"lane IS NOT NULL OR {self._due()}"):
                return
            self._house.clock.advance(seconds=60)
        async with self._house.runtime.staff.read() as session:
            left = (await session.execute(text("SELECT kind, state, last_error FROM jobs"))).all()
        raise AssertionError(f"it never comes to rest: {left}")

    def _due(self) -> str:
        return f"run_at <= '{self._house.clock.now().isoformat()}'"
