"""Builds the test guest: a kernel and an initramfs with busybox, from Debian packages."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local_stack.guest.archive import Archive
from local_stack.guest.kernel import modules_in_order, plain_kernel
from local_stack.guest.packages import kernel_package, unpack

_FOLDERS = ("bin", "dev", "proc", "sys", "etc", "etc/acpi", "etc/acpi/PWRF", "modules", "seed")
_MORE_FOLDERS = ("data", "root", "root/.ssh", "tmp", "run", "var", "var/log", "var/run")
_MODULES = ("virtio_pci", "virtio_blk", "failover", "virtio_net", "isofs", "evdev", "button")
_INITTAB = """\
::respawn:/bin/getty -L 115200 ttyS0 vt100
::respawn:/bin/acpid -f
::ctrlaltdel:/bin/reboot -f
"""
_POWER_BUTTON = "#!/bin/sh\nsync; umount /data; exec /bin/poweroff -f\n"


@dataclass(frozen=True, slots=True)
class Guest:
    """The files of a built guest and the kernel's arguments for it."""

    kernel: Path
    initrd: Path
    boot_args: str = "console=ttyS0 quiet panic=-1"
    least_ram_mib: int = 96

    @property
    def present(self) -> bool:
        return self.kernel.exists() and self.initrd.exists()


def guest(folder: Path | None = None) -> Guest:
    """Name the guest's files in `folder`, or in TANDEM_GUEST_DIR, or in `.tandem/guest`."""
    place = folder or Path(os.environ.get("TANDEM_GUEST_DIR", ".tandem/guest")).absolute()
    return Guest(place / "vmlinux", place / "initramfs.gz")


def build(folder: Path | None = None) -> Guest:
    """Build the guest unless it is there. Needs apt and the network the first time, about 10 s."""
    wanted = guest(folder)
    if wanted.present:
        return wanted
    wanted.kernel.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=wanted.kernel.parent) as scratch:
        made = _make(Path(scratch))
        for source, target in ((made.kernel, wanted.kernel), (made.initrd, wanted.initrd)):
            source.chmod(0o644)
            shutil.move(source, target)
    return wanted


def _make(scratch: Path) -> Guest:
    linux = unpack(kernel_package(), into=scratch / "linux")
    lz4 = unpack("lz4", into=scratch / "lz4") / "usr/bin/lz4"
    busybox = unpack("busybox-static", into=scratch / "busybox") / "bin/busybox"
    made = guest(scratch)
    made.kernel.write_bytes(plain_kernel(next(linux.glob("boot/vmlinuz-*")), lz4=lz4))
    _initramfs(busybox.read_bytes(), modules_in_order(linux, _MODULES)).write(made.initrd)
    return made


def _initramfs(busybox: bytes, modules: dict[str, bytes]) -> Archive:
    archive = Archive()
    for folder in _FOLDERS + _MORE_FOLDERS:
        archive.directory(folder)
    archive.file("bin/busybox", busybox, mode=0o755)
    archive.file("init", Path(__file__).with_name("init.sh").read_bytes(), mode=0o755)
    archive.file("modules/order", "".join(f"{name}\n" for name in modules).encode())
    for name, content in modules.items():
        archive.file(f"modules/{name}.ko", content)
    archive.file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh\n")
    archive.file("etc/group", b"root:x:0:\n")
    archive.file("etc/inittab", _INITTAB.encode())
    archive.file("etc/acpi/PWRF/00000080", _POWER_BUTTON.encode(), mode=0o755)
    return archive
