"""Another worker process on the same root, for tests that kill or freeze one."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import UUID

from selling_service.provisioning.drivers.qemu import QemuImage, QemuPlatform, QemuSettings
from selling_service.provisioning.drivers.qemu.files import locked
from selling_service.provisioning.drivers.qemu.layout import Layout
from tests.provisioning.rigs import CONTENT, SIZE


async def create_and_die(root: Path, owner_id: UUID, vm_id: UUID) -> None:
    """Create a VM and be killed."""
    settings = QemuSettings(root=root, images={"nothing": QemuImage()}, least_ram_mib=32)
    await QemuPlatform(settings, name="qemu").create_vm(
        owner_id=owner_id, vm_id=vm_id, size=SIZE, image="nothing", content=CONTENT, fence=1
    )
    os.kill(os.getpid(), signal.SIGKILL)


async def hold(root: Path, vm_id: UUID) -> None:
    """Be in the middle of a call on a VM, for ever."""
    async with locked(Layout(root).vm_lock(vm_id), timeout=5):
        sys.stdout.write("held\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    verb, folder, owner, vm = sys.argv[1:]
    if verb == "create":
        asyncio.run(create_and_die(Path(folder), UUID(owner), UUID(vm)))
    else:
        asyncio.run(hold(Path(folder), UUID(vm)))
