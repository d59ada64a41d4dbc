"""A disk of its own for a server of PostgreSQL, small enough to be filled."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import MEMORY, data_folder

PREFIX = "tandem-disk-"
SIZE = "640m"
FILLER = "filler"
MOUNT, UMOUNT = (shutil.which(name) or name for name in ("mount", "umount"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """A folder; where `is_small`, it is a file system of its own, which can be filled."""

    folder: Path
    is_small: bool

    def fill(self) -> None:
        """Leave no byte free."""
        free = shutil.disk_usage(self.folder).free
        path = self.folder / FILLER
        with path.open("ab") as file:
            while free > 0:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free)
                except OSError:
                    free //= 2
                else:
                    free = shutil.disk_usage(self.folder).free

    def free(self) -> None:
        """Take away what filled it."""
        (self.folder / FILLER).unlink(missing_ok=True)


@contextmanager
def small_disk() -> Iterator[Disk]:
    """Give a small disk where this machine lets us mount one, or else just a folder."""
    _forget_leftovers()
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=place))
    try:
        if not _mount(folder):
            with data_folder() as plain:
                yield Disk(folder=plain, is_small=False)
            return
        try:
            yield Disk(folder=folder, is_small=True)
        finally:
            _unmount(folder)
    finally:
        folder.rmdir()


def _mount(folder: Path) -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    command = [MOUNT, "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tandem", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _unmount(folder: Path) -> None:
    subprocess.run([UMOUNT, "--lazy", str(folder)], check=False, capture_output=True)


def _forget_leftovers() -> None:
    """Unmount what a killed test process left there."""
    for leftover in MEMORY.glob(f"{PREFIX}*"):
        if not Path("/proc", leftover.name.split("-")[2]).exists():
            _unmount(leftover)
            leftover.rmdir()
