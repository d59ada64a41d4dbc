"""Looks at a VM of the `qemu` platform as the machine under it sees it: a process and files."""

import asyncio
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from local_stack.demo.callers import wait_for
from selling_service.provisioning.drivers.qemu import process
from tests.provisioning.consoles import console

LONGEST = 120.0  # on a busy machine, in software emulation
QUIET = 1.5  # a VM that is going to start has its process long before


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A VM as it really is: a process and files."""

    root: Path
    owner_id: UUID
    vm_id: UUID

    @property
    def run(self) -> Path:
        return self.root / "run" / str(self.vm_id)

    @property
    def folder(self) -> Path:
        return self.root / "users" / str(self.owner_id) / str(self.vm_id)

    @property
    def process(self) -> process.Process | None:
        return process.find(self.run, self.vm_id)

    @property
    def command_lines(self) -> list[int]:
        """Processes that name this VM, whatever the driver knows of them."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = path.read_bytes()
            except OSError:
                continue
            if line.startswith(b"qemu-system") and str(self.vm_id).encode() in line:
                found.append(int(path.parent.name))
        return found

    @property
    def traces(self) -> list[str]:
        """What is left of it on disk."""
        return [str(path) for path in self.root.rglob("*") if str(self.vm_id) in path.name]

    def ready_line(self, *, boots: int) -> str:
        """What the guest says on its serial console at its n-th start, waiting for it."""
        line = rf"^tandem-guest ready hostname=\S+ boots={boots} keys=\d+"
        said = re.compile(line, re.MULTILINE)

        def look() -> str | None:
            text = (self.folder / "serial.log").read_text(errors="replace")
            found = said.search(text)
            return found.group() if found else None

        return wait_for(f"start {boots} of {self.vm_id}", look, seconds=LONGEST)[0]

    def power_cut(self) -> None:
        """End it as a restart of the whole machine does."""
        found = self.process
        assert found is not None
        process.kill(found)
        wait_for("the end of QEMU", lambda: not found.alive, seconds=10)
        noted = self.run / "process.json"
        noted.write_text(json.dumps({**json.loads(noted.read_text()), "boot": "an earlier one"}))

    @property
    def uids(self) -> set[int]:
        """Who its processes are, by the kernel: real, effective, saved and file-system uid."""
        found: set[int] = set()
        for pid in self.command_lines:
            status = Path(f"/proc/{pid}/status").read_text()
            line = next(line for line in status.splitlines() if line.startswith("Uid:"))
            found |= {int(uid) for uid in line.split()[1:]}
        return found

    def typed(self, line: str, *, password: str, until: str) -> str:
        """Log in on its serial console, type a line, read until this text."""

        async def sit() -> str:
            async with console(self.run) as terminal:
                await terminal.log_in(password=password)
                await terminal.read("~ #")
                await terminal.type(line)
                return await terminal.read(until)

        return asyncio.run(sit())

    def stays_off(self) -> None:
        """Nothing starts it, also not a moment later; AssertionError where something does."""
        until = time.monotonic() + QUIET
        while time.monotonic() < until:
            assert self.process is None
            time.sleep(0.1)
        assert self.command_lines == []
