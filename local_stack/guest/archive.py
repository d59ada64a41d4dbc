"""Writes a `newc` cpio archive, which is what the kernel unpacks as its first file system."""

import gzip
import io
import stat
from pathlib import Path

_DIRECTORY = stat.S_IFDIR | 0o755


class Archive:
    """An initramfs in the making. Paths are relative, parents are added by the caller first."""

    def __init__(self) -> None:
        self._out = io.BytesIO()
        self._inode = 0

    def directory(self, path: str) -> None:
        self._entry(path, _DIRECTORY, b"")

    def file(self, path: str, content: bytes, *, mode: int = 0o644) -> None:
        self._entry(path, stat.S_IFREG | mode, content)

    def link(self, path: str, target: str) -> None:
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def write(self, target: Path) -> None:
        """Close the archive and write it, compressed, to `target`."""
        self._entry("TRAILER!!!", 0, b"")
        target.write_bytes(gzip.compress(self._out.getvalue(), compresslevel=1, mtime=0))

    def _entry(self, path: str, mode: int, content: bytes) -> None:
        self._inode += 1
        name = path.encode() + b"\0"
        numbers = (self._inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % number for number in numbers)
        self._padded(header + name)
        self._padded(content)

    def _padded(self, data: bytes) -> None:
        self._out.write(data + b"\0" * (-len(data) % 4))
