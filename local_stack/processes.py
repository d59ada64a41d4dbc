"""Spawns, recognises and ends processes of ours; refuses to signal what it can't recognise."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

CHILD = Path(__file__).with_name("child.py")
BIGGEST_LOG = 20_000_000
STARTED_AT = 19  # field 22 of /proc/PID/stat, counted after the name in brackets


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A process that can be told from a later one with the same number.

    `started` counts the kernel's clock ticks since boot; `word` stands in its command line.
    """

    pid: int
    started: int
    word: str

    @classmethod
    def of(cls, pid: int, *, word: str) -> Self:
        """Recognise a living process later; ProcessLookupError when there is none."""
        started = _started(pid)
        if started is None:
            raise ProcessLookupError(pid)
        return cls(pid=pid, started=started, word=word)

    @classmethod
    def read(cls, found: Mapping[str, object]) -> Self:
        """Take it from JSON again."""
        return cls(
            pid=int(str(found["pid"])),
            started=int(str(found["started"])),
            word=str(found["word"]),
        )

    def written(self) -> dict[str, object]:
        """As JSON holds it."""
        return asdict(self)

    def is_alive(self) -> bool:
        """Whether this very process still runs; another one under its number doesn't count."""
        if _started(self.pid) != self.started:
            return False
        with contextlib.suppress(OSError):
            return self.word.encode() in Path(f"/proc/{self.pid}/cmdline").read_bytes()
        return False

    def send(self, number: signal.Signals) -> None:
        """Signal it, where it is still itself."""
        if self.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def end(self, *, patience: float) -> bool:
        """Ask it to end, after `patience` seconds no longer ask; whether it was alive."""
        was_alive = self.is_alive()
        for number, seconds in ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0)):
            self.send(number)
            if wait_until(lambda: not self.is_alive(), seconds=seconds):
                break
        return was_alive


def _started(pid: int) -> int | None:
    """Ticks since boot; None for a process that is gone or only waits to be reaped."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[STARTED_AT])


def wait_until(condition: Callable[[], bool], *, seconds: float, pause: float = 0.05) -> bool:
    """Ask again and again; whether the condition came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True


def spawn(
    module: str, *arguments: str, environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    """Start `python -m module` as a child that is killed when the calling *thread* ends."""
    command = [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), module, *arguments]
    return _popen(command, environment=environment, log=log)


def spawn_detached(
    module: str, *arguments: str, environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    """Start `python -m module` in a session of its own, to outlive us."""
    return _popen([sys.executable, "-m", module, *arguments], environment=environment, log=log)


def _popen(
    command: list[str], *, environment: Mapping[str, str], log: Path
) -> "subprocess.Popen[bytes]":
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > BIGGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as sink:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            env=dict(environment),
            start_new_session=True,
        )


def tail(log: Path, *, lines: int = 20) -> str:
    """Return the end of a log; empty where there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64_000))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def write_whole(path: Path, text: str, *, mode: int = 0o600) -> None:
    """Write a file so that a reader finds the old or the new one, never a part."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
    draft.replace(path)


def read_json(path: Path) -> dict[str, object] | None:
    """Return an object from a file; None where there is none."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None
