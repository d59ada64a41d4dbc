"""The whole pair under a launcher that kills its processes at chosen points and starts them anew.

As `Stack`, but a process is killed, frozen and thawed without its launcher, which lets the next
one live within a tenth of a second.
"""

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from local_stack.home import PROGRAMS
from tests.faults.launch import FOLDER, FREEZE, SKEW
from tests.faults.points import Cell
from tests.journeys.stack import Stack

SECOND = "-2"


@dataclass
class Chain(Stack):
    """A stack that can be hit.

    `spares` are workers that run twice; `skew` in seconds by service.
    """

    spares: Sequence[str] = ()
    skew: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("armed", "hit"):
            (self.marks / name).mkdir(parents=True)

    @property
    def marks(self) -> Path:
        """Where points are armed, and where it is seen that they were hit."""
        return self.folder / "marks"

    def variables(self) -> dict[str, str]:
        return {**super().variables(), FOLDER: str(self.marks)}

    def programs(self) -> list[str]:
        return [*super().programs(), *(f"{name}{SECOND}" for name in self.spares)]

    def command(self, name: str) -> tuple[str, ...]:
        return ("tests.faults.launch", name, PROGRAMS[name.removesuffix(SECOND)])

    def seconds_ahead(self, service: str) -> float:
        return self.skew.get(service, 0.0)

    def environment_of(self, name: str) -> dict[str, str]:
        seconds = self.seconds_ahead(name.partition("-")[0])
        return {**self.variables(), **({SKEW: str(seconds)} if seconds else {})}

    # ---------------------------------------------------------------------------------- processes

    def pid(self, name: str) -> int:
        """The process itself, without its launcher."""
        return int((self.marks / f"{name}.pid").read_text())

    def kill(self, *names: str) -> None:
        pids = [self.pid(name) for name in names]
        super().kill(*names)
        for pid in pids:
            wait_for_end(pid)

    def crash(self, name: str) -> None:
        """SIGKILL; the launcher starts the next one at once."""
        self._signal(name, signal.SIGKILL)

    def freeze(self, name: str) -> None:
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        os.kill(self.pid(name), number)

    def arm(self, cell: Cell) -> None:
        """Have the next command of this kind that comes by that point kill the process there."""
        (self.marks / "armed" / cell.mark).touch()

    def arm_to_freeze(self, cell: Cell) -> None:
        """Have it stand still there instead, once more than before."""
        (self.marks / "hit" / cell.mark).unlink(missing_ok=True)
        (self.marks / "armed" / cell.mark).write_text(FREEZE)

    @property
    def frozen(self) -> list[str]:
        """The processes that are stopped."""
        return [name for name in self.programs() if _state(self.pid(name)) == "T"]

    def was_hit(self, cell: Cell) -> bool:
        """Whether the process has died there."""
        return (self.marks / "hit" / cell.mark).exists()

    @property
    def still_armed(self) -> list[str]:
        """Marks of points that nobody came by."""
        return sorted(path.name for path in (self.marks / "armed").iterdir())


def _state(pid: int) -> str:
    """The kernel's letter for what a process does; Z where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


def wait_for_end(pid: int, *, seconds: float = 20.0) -> None:
    """Return once there is no such process."""
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, pid
        time.sleep(0.01)
