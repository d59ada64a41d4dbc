"""Owns one embedded PostgreSQL: its folder, its start and its end; refuses to know who uses it."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

from local_stack.postgres_binaries import Binaries, NoPostgresFound, find_binaries
from local_stack.postgres_process import (
    Child,
    Identity,
    PostgresError,
    choose_identity,
    end_orphans,
    environment,
)

SUPERUSER = "postgres"
SOCKET_NAME = ".s.PGSQL.5432"
LONGEST_SOCKET_PATH = 107
FIRST_MAJOR_WITH_OWN_LOCALE = 17
START_TIMEOUT = 60.0
SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class FolderInUse(PostgresError):
    """Another living process runs a PostgreSQL on this folder."""


class WrongMajor(PostgresError):
    """The folder's data belong to a major version that is not on this machine."""


class EmbeddedPostgres:
    """A PostgreSQL on a private unix socket, a child of this process that ends when this one does.

    `folder` keeps data, log and lock between starts. `durable=False` trades safety in a power cut
    for speed. `settings` are added to the server's command line. `binaries` names an installation
    instead of the one that would be found. `archive` is a folder that gets the write-ahead log.
    """

    def __init__(
        self,
        folder: Path,
        *,
        durable: bool = True,
        settings: dict[str, str] | None = None,
        binaries: Binaries | None = None,
        archive: Path | None = None,
        start_seconds: float = START_TIMEOUT,
    ) -> None:
        self.folder = folder.resolve()
        self.data = self.folder / "data"
        self.log = self.folder / "postgres.log"
        self.socket_folder = _socket_folder(self.folder)
        self._durable = durable
        archiving = {} if archive is None else _archiving(archive.resolve())
        self._settings = {
            **SETTINGS,
            **({} if durable else NOT_DURABLE),
            **archiving,
            **(settings or {}),
        }
        self._archive = archive
        self._start_seconds = start_seconds
        self._wanted = binaries
        self._lock: int | None = None
        self._child: Child | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def is_running(self) -> bool:
        """Whether the server that `start` made still lives."""
        return self._child is not None and not self._child.has_ended

    @property
    def pid(self) -> int:
        """The server's process id; PostgresError when it was not started."""
        if self._child is None:
            raise PostgresError(f"PostgreSQL on {self.folder} was not started")
        return self._child.pid

    def url(self, database: str, *, user: str = SUPERUSER) -> str:
        """Return the SQLAlchemy URL of a database: asyncpg over the unix socket."""
        host = quote(str(self.socket_folder), safe="/")
        return f"postgresql+asyncpg://{quote(user)}@/{quote(database)}?host={host}"

    def start(self) -> None:
        """Start the server, at first with new data; returns when it takes connections.

        Raises FolderInUse, WrongMajor, NoPostgresFound, or PostgresError with the end of the log.
        A server that lost its launcher is stopped first. After a crash of ours, start again.
        """
        if self.is_running:
            return
        self.stop()
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            binaries = self._binaries()
            end_orphans(self.data)
            identity = choose_identity()
            if _owner(self.data) not in (None, identity.uid):
                identity.take(self.data)
            self._make_socket_folder(identity)
            if self._archive is not None and _owner(self._archive) != identity.uid:
                identity.take(self._archive)
            if not self.data.exists():
                self._make_data(binaries, identity)
            self._run(binaries, identity)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server (connections are cut, data written) and free the folder; idempotent."""
        if self._child is not None:
            self._child.end()
            self._child = None
        if self._lock is not None:
            if self.socket_folder.parent != self.folder:
                shutil.rmtree(self.socket_folder, ignore_errors=True)
            os.close(self._lock)
            self._lock = None

    def program(self, name: str) -> str:
        """Return the path of a program of the installation that runs these data."""
        return self._binaries().program(name)

    def create_database(self, name: str) -> None:
        """Make an empty database; nothing happens when there is one of this name."""
        createdb = [self._binaries().program("createdb"), "--no-password"]
        made = subprocess.run(
            [*createdb, "--host", str(self.socket_folder), "--username", SUPERUSER, name],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode and "already exists" not in made.stderr:
            raise PostgresError(made.stderr.strip())

    def _take_lock(self) -> None:
        """Hold the folder for as long as this process lives, however it ends."""
        lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode()
            os.close(lock)
            raise FolderInUse(
                f"process {owner} already runs a PostgreSQL on {self.folder}; stop that one first"
            ) from None
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        self._lock = lock

    def _binaries(self) -> Binaries:
        """Return the installation that made the data, or the best one when there are none."""
        try:
            major = int((self.data / "PG_VERSION").read_text())
        except FileNotFoundError:
            return self._wanted or find_binaries()
        if self._wanted and self._wanted.major == major:
            return self._wanted
        try:
            return find_binaries(major=major)
        except NoPostgresFound as error:
            raise WrongMajor(
                f"the data in {self.data} were made by PostgreSQL {major}: {error}. To change "
                "over, dump with the old version and restore with the new one into another folder"
            ) from error

    def _make_socket_folder(self, identity: Identity) -> None:
        """Make the folder that keeps others from the socket, free of what a crash left in it."""
        self.socket_folder.mkdir(mode=0o700, exist_ok=True)
        status = self.socket_folder.lstat()
        owners = {os.geteuid(), identity.uid}
        ours = self.socket_folder.parent == self.folder or status.st_uid in owners
        if not stat.S_ISDIR(status.st_mode) or not ours:
            raise PostgresError(f"{self.socket_folder} belongs to somebody else; remove it")
        self.socket_folder.chmod(0o700)
        for leftover in self.socket_folder.iterdir():
            leftover.unlink()
        if _owner(self.folder) != identity.uid:
            os.chown(self.folder, identity.uid, identity.gid)
        identity.take(self.socket_folder)

    def _make_data(self, binaries: Binaries, identity: Identity) -> None:
        """Run initdb beside the final place, so that a broken try leaves no half-made data."""
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        locale = ["--locale=C.UTF-8"]
        if binaries.major >= FIRST_MAJOR_WITH_OWN_LOCALE:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        initdb = [binaries.program("initdb"), "--pgdata", str(draft), "--username", SUPERUSER]
        initdb += ["--auth=trust", "--encoding=UTF8", *locale]
        initdb += [] if self._durable else ["--no-sync"]
        made = subprocess.run(
            identity.command(initdb),
            env=environment(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise PostgresError(f"initdb failed in {self.folder}: {made.stderr.strip()}")
        draft.rename(self.data)

    def _run(self, binaries: Binaries, identity: Identity) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.log.replace(self.log.with_suffix(".log.1"))
        settings = {**self._settings, "unix_socket_directories": f'"{self.socket_folder}"'}
        command = [binaries.program("postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._child = Child(identity.command(command), log=self.log, cwd=self.folder)
        self._child.begin()
        deadline = time.monotonic() + self._start_seconds
        while not self._is_ready():
            if self._child.has_ended or time.monotonic() > deadline:
                end_of_log = self.log.read_text(errors="replace")[-2000:].strip()
                raise PostgresError(f"PostgreSQL did not start on {self.folder}:\n{end_of_log}")
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        """Whether the pid file ends with `ready`, which is how pg_ctl learns it."""
        try:
            lines = (self.data / "postmaster.pid").read_text().split()
        except FileNotFoundError:
            return False
        return lines[:1] == [str(self.pid)] and lines[-1] == "ready"


def _archiving(archive: Path) -> dict[str, str]:
    """Return the settings that copy each full piece of the log, and at least one a minute."""
    # Whole or not at all, and never over one that is there; a second try of the same is well.
    copy = f'cp "%p" "{archive}/%f.part" && mv "{archive}/%f.part" "{archive}/%f"'
    known = f'test -f "{archive}/%f" && cmp -s "%p" "{archive}/%f"'
    absent = f'test ! -f "{archive}/%f" && {copy}'
    return {
        "archive_mode": "on",
        "archive_command": f"{known} || {{ {absent}; }}",
        "archive_timeout": "60",
    }


def _socket_folder(folder: Path) -> Path:
    """Return a place whose socket's path fits into what the kernel takes: 107 bytes."""
    inside = folder / "socket"
    if len(os.fsencode(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return inside
    name = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return Path(tempfile.gettempdir(), f"tandem-{os.geteuid()}-{name}")


def _owner(path: Path) -> int | None:
    try:
        return path.stat().st_uid
    except FileNotFoundError:
        return None
