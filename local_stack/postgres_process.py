"""Runs and ends PostgreSQL's processes and chooses whom they run as; knows no databases."""

import contextlib
import os
import pwd
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

CHILD = Path(__file__).with_name("postgres_child.py")
STOP_TIMEOUT = 30.0


class PostgresError(Exception):
    """The embedded PostgreSQL can't do this; the text says why, and what helps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom PostgreSQL's programs run as, and who owns their files (ids outside of a namespace)."""

    text: str
    uid: int
    gid: int

    def command(self, arguments: list[str]) -> list[str]:
        """Return what to spawn, from the thread that shall outlive it."""
        return [sys.executable, "-I", "-S", str(CHILD), str(os.getpid()), self.text, *arguments]

    def take(self, folder: Path) -> None:
        """Make everything in `folder` this identity's own."""
        if os.geteuid() != 0:
            return
        for parent, _, files in os.walk(folder):
            for path in (parent, *(os.path.join(parent, name) for name in files)):  # noqa: PTH118 (os.walk's words)
                os.chown(path, self.uid, self.gid, follow_symlinks=False)


def choose_identity() -> Identity:
    """Return ourselves, or as root a uid of a user namespace, or else the user nobody."""
    if os.geteuid() != 0:
        return Identity(text="self", uid=os.geteuid(), gid=os.getegid())
    other = _someone_else()
    ids = f"{other.pw_uid}:{other.pw_gid}"
    namespace = Identity(text=f"namespace:{ids}", uid=0, gid=0)
    probe = namespace.command([sys.executable, "-I", "-S", "-c", ""])
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:
        return namespace
    return Identity(text=f"user:{ids}", uid=other.pw_uid, gid=other.pw_gid)


def _someone_else() -> pwd.struct_passwd:
    """Return nobody, or any user but root: initdb asks for the name of its uid."""
    with contextlib.suppress(KeyError):
        return pwd.getpwnam("nobody")
    for user in pwd.getpwall():
        if user.pw_uid != 0:
            return user
    raise PostgresError("PostgreSQL doesn't run as root, and this machine knows no other user")


def environment() -> dict[str, str]:
    """Return what PostgreSQL's programs see: none of the caller's PG* settings, plain English."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


class Child(threading.Thread):
    """A server process, spawned by a thread that waits for it.

    A parent-death signal comes when the *thread* that spawned ends. This one ends with the server
    or, being a daemon, with this whole process.
    """

    def __init__(self, command: list[str], *, log: Path, cwd: Path) -> None:
        super().__init__(name="postgres", daemon=True)
        self._command = command
        self._log = log
        self._cwd = cwd
        self._spawned = threading.Event()
        self._pid: int | None = None

    @property
    def pid(self) -> int:
        """The server's process id; PostgresError when it could not be spawned."""
        if self._pid is None:
            raise PostgresError(f"could not run {self._command[0]}")
        return self._pid

    def begin(self) -> None:
        self.start()
        self._spawned.wait()

    def run(self) -> None:
        try:
            with self._log.open("ab") as log:
                process = subprocess.Popen(
                    self._command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd=self._cwd,
                    env=environment(),
                    start_new_session=True,
                )
            self._pid = process.pid
        finally:
            self._spawned.set()
        process.wait()

    @property
    def has_ended(self) -> bool:
        """Whether the process is gone, asked of the kernel: the waiting thread learns it later."""
        try:
            return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        except ChildProcessError:
            return True

    def end(self) -> None:
        """Ask for the fast shutdown, then for the immediate one, which the next start recovers."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self._pid is None or not self.is_alive():
                return
            _kill(self._pid, number)
            self.join(STOP_TIMEOUT)


def end_orphans(data: Path) -> None:
    """End every server process that still works on `data`, then forget its pid file.

    For a folder whose lock is held, so that whatever lives there has lost its launcher. The pid
    file goes only now: its number may be somebody else's process, but while server processes live
    it is what keeps a second server from the same data.
    """
    pid_file = data / "postmaster.pid"
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        pids = _servers_on(data)
        head = _pid_in(pid_file)
        for pid in pids:
            if pid == head or number != signal.SIGINT:
                _kill(pid, number)
        if _all_gone(data):
            pid_file.unlink(missing_ok=True)
            return
    raise PostgresError(f"a PostgreSQL on {data} can't be stopped: processes {_servers_on(data)}")


def _all_gone(data: Path) -> bool:
    deadline = time.monotonic() + STOP_TIMEOUT
    while _servers_on(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def _servers_on(data: Path) -> list[int]:
    """Return the processes named postgres that stand in the data folder, as each of them does."""
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if (
                process.name.isdigit()
                and (process / "comm").read_text() == "postgres\n"
                and (process / "cwd").readlink() == data
            ):
                found.append(int(process.name))
    return found


def _pid_in(pid_file: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(pid_file.read_text().splitlines()[0])
    return None


def _kill(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
