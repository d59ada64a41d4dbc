"""Runs a program of ours as it is, but for faults from outside: deaths, a wrong clock, a poor pool.

`python -m tests.faults.launch NAME MODULE` imports the module once and forks it, so that another
one lives a moment after it was killed. Everything is asked for in the environment (`Wish`).
Nothing of this is in product code: the functions that `points` names are wrapped here.
"""

import asyncio
import ctypes
import functools
import importlib
import inspect
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import text

from shared.kit.jobs import Job
from tests.faults.points import ANSWER, ANSWERED, EVERY, HINT, Cell, Point, When

FOLDER = "TEST_FAULTS_FOLDER"
SKEW = "TEST_CLOCK_SKEW_SECONDS"
POOL_PATIENCE = "TEST_POOL_TIMEOUT_SECONDS"
DEATHS = "TEST_DEATHS_UNTIL_SET_ASIDE"
FREEZE = "freeze"
PR_SET_PDEATHSIG = 1
# A last word on its way out: the answer has been given, and the caller shall have it.
FLUSH_SECONDS = 0.05
_COMMAND = re.compile(
    r"^/(?:client|staff|partner)/v1/(?:.*/)?(?:services/[^/]+/(\w+)|(orders|services))$"
)
_HOOK = re.compile(r"^/hooks/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """What this request, job or batch is about, and which steps it has entered."""

    kinds: frozenset[str] = frozenset()
    steps: frozenset[str] = frozenset()


_NOTHING = Situation()
_situation: ContextVar[Situation] = ContextVar("situation", default=_NOTHING)


@dataclass
class Trap:
    """Kills this process at points that are armed, each once: the file moves from armed to hit.

    A file that says `freeze` stops the process there, until somebody thaws it.
    """

    name: str
    folder: Path
    points: dict[str, list[Point]] = field(default_factory=dict)
    steps: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for point in EVERY:
            if point.process == self.name:
                self.points.setdefault(point.target, []).append(point)
                self.steps |= {point.step} - {None}  # type: ignore[arg-type]

    @property
    def is_armed(self) -> bool:
        with os.scandir(self.folder / "armed") as files:
            return next(files, None) is not None

    def spring(self, target: str, when: When) -> Callable[[], None] | None:
        """What to do where a point is armed here for what is going on; it no longer is, then."""
        now = _situation.get()
        for point in self.points.get(target, ()):
            if point.when is when and (point.step is None or point.step in now.steps):
                for kind in now.kinds & set(map(str, point.kinds)):
                    if action := self._take(Cell(point=point, kind=kind).mark):
                        return action
        return None

    def check(self, target: str, when: When) -> None:
        """Die, or stand still, where a point is armed."""
        if action := self.spring(target, when):
            action()

    def _take(self, mark: str) -> Callable[[], None] | None:
        hit = self.folder / "hit" / mark
        try:
            (self.folder / "armed" / mark).rename(hit)
        except FileNotFoundError:
            return None
        return stand_still if hit.read_text() == FREEZE else die


def die() -> None:
    """End as a power cut does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def stand_still() -> None:
    """Stop until somebody says to go on."""
    os.kill(os.getpid(), signal.SIGSTOP)


def note(*, kinds: Iterable[str] = (), step: str | None = None) -> None:
    """Say what is going on from here."""
    now = _situation.get()
    known = now.kinds | frozenset(kinds)
    _situation.set(replace(now, kinds=known, steps=now.steps | ({step} if step else frozenset())))


def locate(target: str) -> tuple[Any, str]:
    """The object that holds a target's last name, and that name."""
    module, _, path = target.partition(":")
    owner: Any = importlib.import_module(module)
    *parents, last = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    return owner, last


def wrap(trap: Trap, target: str) -> None:
    """Put the trap around a function, wherever it is called by this name."""
    owner, name = locate(target)
    inner: Callable[..., Any] = getattr(owner, name)
    step = target if target in trap.steps else None

    @functools.wraps(inner)
    async def around(*args: Any, **named: Any) -> Any:
        if step:
            note(step=step)
        trap.check(target, When.BEFORE)
        found = await inner(*args, **named)
        trap.check(target, When.AFTER)
        return found

    assert inspect.iscoroutinefunction(inner), target
    setattr(owner, name, around)


# -------------------------------------------------------- what requests, jobs, batches are about


class Answer:
    """The two moments of an answer that have no function of their own."""

    @staticmethod
    async def begin(trap: Trap) -> None:
        trap.check(ANSWER, When.BEFORE)

    @staticmethod
    async def end(trap: Trap) -> None:
        if action := trap.spring(ANSWERED, When.AFTER):
            await asyncio.sleep(FLUSH_SECONDS)
            action()


def kind_of_request(method: str, path: str) -> str | None:
    """The command that a request is, as far as its address tells."""
    if _HOOK.match(path):
        return HINT
    found = _COMMAND.match(path) if method == "POST" else None
    return (found[1] or "order") if found else None


def watch_requests(trap: Trap) -> None:
    """Know each request's command, and the moments before and after its answer."""
    web = importlib.import_module("shared.kit.web")
    inner = web.Edge.__call__

    async def call(self: Any, scope: Any, receive: Any, send: Any) -> None:
        kind = kind_of_request(scope.get("method", ""), scope.get("path", ""))
        if kind is None:
            await inner(self, scope, receive, send)
            return
        note(kinds=[kind])

        async def watched(message: Any) -> None:
            if message["type"] == "http.response.start":
                await Answer.begin(trap)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                await Answer.end(trap)

        await inner(self, scope, receive, watched)

    web.Edge.__call__ = call


def watch_jobs(trap: Trap) -> None:
    """Know each job's command: by the row that it names."""
    worker = importlib.import_module("shared.kit.jobs.worker").Worker
    inner = worker._attempt

    async def attempt(self: Any, job: Job) -> None:
        if trap.is_armed:
            note(kinds=[job.kind, *await _kinds_of(self._database, job)])
        await inner(self, job)

    worker._attempt = attempt


async def _kinds_of(database: Any, job: Job) -> list[str]:
    for name, table in (("operation_id", "operations"), ("command_id", "commands")):
        if name in job.payload:
            async with database.read(tenant=job.tenant_id) as session:
                statement = text(f"SELECT kind FROM {table} WHERE id = :id")  # noqa: S608
                return list(await session.scalars(statement, {"id": job.payload[name]}))
    return []


def watch_events() -> None:
    """Know what a batch of events tells the end of."""
    reading: Any = importlib.import_module("reselling_service.sync.actions.reading")
    inner = reading.apply_events

    async def apply(session: Any, access: Any, events: Any) -> Any:
        note(kinds=[str(event.operation.kind) for event in events if event.operation])
        return await inner(session, access, events)

    reading.apply_events = apply


# ------------------------------------------------------------------------------------- other faults


def skew_clock(seconds: float) -> None:
    """Let this process live in another time than the machine."""
    clock = importlib.import_module("shared.kit.clock")
    for kind in (clock.SystemClock, clock.SandboxClock):

        def now(self: Any, right: Callable[[Any], datetime] = kind.now) -> datetime:
            return right(self) + timedelta(seconds=seconds)

        kind.now = now


def shorten_pool_patience(seconds: float) -> None:
    """Wait so long for a connection of the pool, and no longer."""
    db: Any = importlib.import_module("shared.kit.db")
    db.create_async_engine = functools.partial(db.create_async_engine, pool_timeout=seconds)


def forgive_deaths(number: int) -> None:
    """Set a job aside after so many deaths of its workers.

    Where a process is killed every second, most of the jobs in its hands are innocent. That the
    guilty ones are set aside has tests of its own.
    """
    worker: Any = importlib.import_module("shared.kit.jobs.worker")
    worker.CRASHES_UNTIL_SET_ASIDE = number


def prepare(name: str, folder: Path) -> None:
    """Put everything in place that was asked for."""
    if os.environ.get(SKEW):
        skew_clock(float(os.environ[SKEW]))
    if os.environ.get(POOL_PATIENCE):
        shorten_pool_patience(float(os.environ[POOL_PATIENCE]))
    if os.environ.get(DEATHS):
        forgive_deaths(int(os.environ[DEATHS]))
    trap = Trap(name=name, folder=folder)
    for target in sorted((set(trap.points) | trap.steps) - {ANSWER, ANSWERED}):
        wrap(trap, target)
    # Last, so that they are outermost: first it is known what this is about.
    watch_requests(trap)
    watch_jobs(trap)
    if name.startswith("reselling"):
        watch_events()


# -------------------------------------------------------------------------------------------- forks


def fork(name: str, folder: Path, run: Callable[[], None]) -> int:
    """Run the program in a child that dies with us; its process id."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        draft = folder / f"{name}.new"
        draft.write_text(str(pid))
        draft.rename(folder / f"{name}.pid")
        return pid
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if os.getppid() == parent:
        run()
    sys.exit(0)


def keep_alive(name: str, folder: Path, run: Callable[[], None]) -> int:
    """Fork anew whenever the program was killed; the code with which it has ended by itself."""
    children: list[int] = []
    ending: list[bool] = []

    def pass_on(number: int, _frame: object) -> None:
        ending.append(True)
        for child in children[-1:]:
            os.kill(child, number)

    signal.signal(signal.SIGTERM, pass_on)
    while True:
        children.append(fork(name, folder, run))
        _, status = os.waitpid(children[-1], 0)
        code = os.waitstatus_to_exitcode(status)
        if code != -signal.SIGKILL or ending:
            return abs(code)


def main(arguments: list[str]) -> None:
    """Import, wrap, fork."""
    name, module = arguments
    folder = Path(os.environ[FOLDER])
    importlib.import_module(module)
    prepare(name.removesuffix("-2"), folder)
    program = importlib.import_module(module)
    sys.exit(keep_alive(name, folder, program.main))


if __name__ == "__main__":
    main(sys.argv[1:])
