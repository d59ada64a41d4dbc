"""Speaks QMP with one QEMU process. A QMP socket serves one client: hold the VM's lock."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from qemu.qmp import QMPClient, QMPError

from selling_service.provisioning.platform import PlatformUnavailable

QMP = "qmp.sock"
SERIAL = "serial.sock"


def listen(folder: int, name: str) -> socket.socket:
    """Open a listening unix socket in the folder with this descriptor.

    The way through the descriptor spares the 107 bytes that a socket's path may hold.
    """
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(f"/proc/self/fd/{folder}/{name}")
    listening.listen(1)
    return listening


@asynccontextmanager
async def session(run: Path, vm_id: UUID, *, seconds: float) -> AsyncIterator[QMPClient]:
    """Connect, check that it is this VM, and disconnect at the end.

    All of it has `seconds`. Raises `PlatformUnavailable` for whatever is wrong with the wire.
    """
    client = QMPClient(str(vm_id))
    try:
        async with asyncio.timeout(seconds):
            await _connect(client, run)
            told = await client.execute("query-uuid")
            if not isinstance(told, dict) or told.get("UUID") != str(vm_id):
                raise PlatformUnavailable("another VM answers on this VM's socket")
            yield client
    except (QMPError, EOFError, OSError, TimeoutError) as error:
        raise PlatformUnavailable(f"QEMU does not answer: {type(error).__name__}") from error
    finally:
        # After `quit` the other end is gone: what disconnect says of that is of no interest.
        with contextlib.suppress(QMPError, EOFError, OSError, TimeoutError):
            async with asyncio.timeout(seconds):
                await client.disconnect()


async def _connect(client: QMPClient, run: Path) -> None:
    folder = os.open(run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        await client.connect(f"/proc/self/fd/{folder}/{QMP}")
    finally:
        os.close(folder)
