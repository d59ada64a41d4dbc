"""The disk of a VM: one qcow2 file in the folder of its platform user."""

import asyncio
import json

from selling_service.provisioning.drivers.qemu.layout import Layout
from selling_service.provisioning.drivers.qemu.records import VMRecord
from selling_service.provisioning.drivers.qemu.settings import QemuImage
from selling_service.provisioning.drivers.qemu.tools import run
from selling_service.provisioning.platform import PlatformRefused

DISK = "disk.qcow2"
GIB = 1 << 30


async def check_fits(image: QemuImage, *, disk_gib: int) -> None:
    """Raise `PlatformRefused` when the disk would be smaller than the image."""
    if image.base is None:
        return
    told = await run("qemu-img", "info", "--output=json", str(image.base), cwd=image.base.parent)
    if json.loads(told)["virtual-size"] > disk_gib * GIB:
        raise PlatformRefused("the disk is smaller than the OS template")


async def make_disk(layout: Layout, record: VMRecord, *, uid: int | None) -> None:
    """Make the VM's folder and disk; what an earlier attempt left unfinished is made anew.

    All is done as the platform user, so that a link left in that user's folder leads nowhere.
    """
    owner_folder = layout.user(record.owner_id)
    folder = str(record.vm_id)
    await run("mkdir", "-p", "-m", "0700", folder, cwd=owner_folder, uid=uid)
    if not await asyncio.to_thread((owner_folder / folder / DISK).exists):
        fresh = f"{folder}/{DISK}.new"
        size = f"{record.size.disk_gib}G"
        await run("qemu-img", "create", "-q", "-f", "qcow2", fresh, size, cwd=owner_folder, uid=uid)
        await run("mv", fresh, f"{folder}/{DISK}", cwd=owner_folder, uid=uid)
