"""Finds, starts and kills the process of a VM. Knows process ids, not what the process serves.

A VM's process outlives the worker that started it. It is known by its id *and* the moment it
began, for ids are used again; where a worker died before it wrote them down, by its arguments.
"""

import asyncio
import json
import os
import signal
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from selling_service.provisioning.drivers.qemu.files import write_whole
from selling_service.provisioning.drivers.qemu.tools import environment, identity
from selling_service.provisioning.platform import PlatformUnavailable

_POLL = 0.02
_SCRIPT = '"$@" >qemu.log 2>&1 </dev/null & echo $!'
_STATE_FIELD = 0
_BEGAN_FIELD = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """`began` in clock ticks since the machine's start; `boot` names that start.

    In a container the start is the container's: its restart ends all VMs as the machine's does.
    """

    pid: int
    began: int
    boot: str

    @property
    def alive(self) -> bool:
        return _process(self.pid) == self


def find(run: Path, vm_id: UUID) -> Process | None:
    """Find the VM's process by its run folder; a dead or an unreaped one is none."""
    known = _noted(run)
    if known is not None:
        return known if known.alive else None
    return _by_arguments(vm_id) if run.exists() else None


def was_cut_off(run: Path) -> bool:
    """Say whether the VM ran until the machine went down, or its start did not succeed.

    The opposite is a VM that ended by itself since.
    """
    known = _noted(run)
    return run.exists() if known is None else known.boot != _boot()


async def spawn(
    command: Sequence[str], *, cwd: Path, run: Path, uid: int | None, files: Sequence[int]
) -> Process:
    """Start the command in a session of its own, with the open `files`, and write it down.

    A shell stands in between and leaves, so that the process is nobody's child here.
    """
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-c", _SCRIPT, "sh", *command),
        cwd=cwd,
        env=environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
        pass_fds=files,
        umask=0o077,
        **identity(uid),
    )
    told, _ = await shell.communicate()
    process = _process(int(told))
    if process is None:
        raise PlatformUnavailable(f"QEMU ended at once: {complaint(cwd)}")
    await asyncio.to_thread(write_whole, run / "process.json", json.dumps(asdict(process)))
    return process


def complaint(folder: Path) -> str:
    """Return the end of what QEMU printed."""
    try:
        return (folder / "qemu.log").read_text(encoding="utf-8", errors="replace").strip()[-300:]
    except OSError:
        return "it left no word"


async def gone(process: Process, *, within: float) -> bool:
    """Wait until the process has ended, `within` seconds."""
    deadline = asyncio.get_running_loop().time() + within
    while process.alive:
        if asyncio.get_running_loop().time() >= deadline:
            return False
        await asyncio.sleep(_POLL)
    return True


def kill(process: Process) -> None:
    """End it by force: this one, and not another that got its id meanwhile."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process.alive:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)


def _noted(run: Path) -> Process | None:
    try:
        return Process(**json.loads((run / "process.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def _process(pid: int) -> Process | None:
    try:
        fields = _stat(pid)
    except (FileNotFoundError, ProcessLookupError):
        return None
    if fields[_STATE_FIELD] in "ZX":
        return None
    return Process(pid=pid, began=int(fields[_BEGAN_FIELD]), boot=_boot())


def _boot() -> str:
    kernel = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{kernel}/{_stat(1)[_BEGAN_FIELD]}"


def _stat(pid: int) -> list[str]:
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    # The program's name stands in brackets and may itself hold brackets and spaces.
    return text.rpartition(")")[2].split()


def _by_arguments(vm_id: UUID) -> Process | None:
    wanted = f"\0-uuid\0{vm_id}\0".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if wanted in arguments:
            return _process(int(entry.name))
    return None
