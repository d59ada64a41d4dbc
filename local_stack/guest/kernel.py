"""Takes apart a Debian kernel package: the plain kernel, and modules in the order of loading."""

import re
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def plain_kernel(compressed: Path, *, lz4: Path) -> bytes:
    """Return the ELF kernel inside a bzImage: it spares the emulated guest the unpacking."""
    image = compressed.read_bytes()
    setup_sectors = image[0x1F1]
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    # The payload ends with its unpacked size, four bytes that lz4 would complain of.
    payload = image[start : start + length - 4]
    done = subprocess.run([lz4, "-d", "-c"], input=payload, check=True, capture_output=True)
    return done.stdout


def modules_in_order(tree: Path, wanted: Iterable[str]) -> dict[str, bytes]:
    """Return the wanted modules and those they need, each after what it depends on."""
    files = {_plain(path.stem): path for path in tree.rglob("*.ko")}
    found: dict[str, bytes] = {}

    def add(name: str) -> None:
        if name in found or name not in files:
            return
        content = files[name].read_bytes()
        for needed in _depends(content):
            add(needed)
        found[name] = content

    for name in wanted:
        add(_plain(name))
    return found


def _depends(content: bytes) -> Iterator[str]:
    match = _DEPENDS.search(content)
    if match is not None and match.group(1):
        yield from (_plain(name) for name in match.group(1).decode().split(","))


def _plain(name: str) -> str:
    return name.replace("-", "_")
