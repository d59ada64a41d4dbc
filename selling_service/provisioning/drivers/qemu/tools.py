"""Runs the programs that the driver needs (qemu-img, genisoimage), as the right user."""

import asyncio
import os
from pathlib import Path
from typing import TypedDict

from selling_service.provisioning.platform import PlatformUnavailable

_SHOWN = 300


class Identity(TypedDict, total=False):
    """The part of a subprocess call that says who runs it."""

    user: int
    group: int
    extra_groups: list[int]


def identity(uid: int | None) -> Identity:
    """Run as `uid` and nobody else's groups; None runs as the worker."""
    return Identity() if uid is None else Identity(user=uid, group=uid, extra_groups=[])


def environment() -> dict[str, str]:
    """Return what a program may know of the worker's environment: where programs are."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}


async def run(*command: str, cwd: Path, uid: int | None = None) -> bytes:
    """Run to the end and return what it printed.

    Raises `PlatformUnavailable` with the end of its complaint when it fails or is missing.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=cwd,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            umask=0o077,
            **identity(uid),
        )
    except FileNotFoundError as error:
        raise PlatformUnavailable(f"{command[0]} is not installed") from error
    told, complaint = await process.communicate()
    if process.returncode:
        shown = complaint.decode(errors="replace").strip()[-_SHOWN:]
        raise PlatformUnavailable(f"{command[0]} failed: {shown}")
    return told
