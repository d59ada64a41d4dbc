"""Whole-file writes that survive a power cut, and locks between processes. Knows no VM."""

import asyncio
import fcntl
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from selling_service.provisioning.platform import PlatformUnavailable

_FIRST_WAIT = 0.005
_LONGEST_WAIT = 0.1


def write_whole(path: Path, text: str) -> None:
    """Replace the file's content: a reader sees the old text or the new one, never a part."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    try:
        with open(fresh, "x", encoding="utf-8", opener=_private) as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def remove_file(path: Path) -> None:
    """Remove the file for good; none is no error."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Have the folder's own entries on the disk before going on."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class HeldLock:
    """A lock that this process holds; `discard` removes its file when it is let go."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._discarded = False

    def discard(self) -> None:
        self._discarded = True

    def release(self) -> None:
        if self._discarded:
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


@asynccontextmanager
async def locked(path: Path, *, timeout: float) -> AsyncIterator[HeldLock]:  # noqa: ASYNC109
    """Hold the lock file against tasks and processes alike.

    It ends with the process, whatever becomes of it. Raises `PlatformUnavailable` when somebody
    else holds it for longer than `timeout` seconds.
    """
    held = await _acquire(path, seconds=timeout)
    try:
        yield held
    finally:
        held.release()


async def _acquire(path: Path, *, seconds: float) -> HeldLock:
    deadline = asyncio.get_running_loop().time() + seconds
    wait = _FIRST_WAIT
    while (held := _try(path)) is None:
        if asyncio.get_running_loop().time() > deadline:
            raise PlatformUnavailable("another call on the same machine takes too long")
        await asyncio.sleep(wait)
        wait = min(wait * 2, _LONGEST_WAIT)
    return held


def _try(path: Path) -> HeldLock | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whoever held it before may have removed the file: then this lock locks nobody out.
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return HeldLock(path, descriptor)
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
