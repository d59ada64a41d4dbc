"""The command line of one QEMU process: a pure function of the VM, its image and open files."""

import json
from dataclasses import dataclass
from typing import Any

from selling_service.provisioning.drivers.qemu.disk import DISK, GIB
from selling_service.provisioning.drivers.qemu.records import VMRecord
from selling_service.provisioning.drivers.qemu.settings import QemuImage, QemuSettings

SERIAL_LOG = "serial.log"
_SLACK = GIB // 16
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenFiles:
    """Numbers of the descriptors that QEMU inherits.

    It gets sockets that listen already and files that are open, so that it need not be able to
    walk to them, and nobody can put others in their place.
    """

    qmp: int
    serial: int
    seed: int
    base: int | None = None
    kernel: int | None = None
    initrd: int | None = None

    def numbers(self) -> list[int]:
        every = (self.qmp, self.serial, self.seed, self.base, self.kernel, self.initrd)
        return [number for number in every if number is not None]


def command_line(
    settings: QemuSettings, record: VMRecord, *, image: QemuImage, files: OpenFiles
) -> list[str]:
    """Return the arguments, to be run in the VM's folder."""
    line = [*_limits(record), settings.binary]
    line += ["-name", f"guest={record.vm_id}", "-uuid", str(record.vm_id)]
    line += ["-no-user-config", "-nodefaults", "-display", "none"]
    line += ["-machine", settings.machine, "-accel", settings.accel, "-cpu", settings.cpu]
    line += ["-smp", str(record.size.vcpu)]
    line += ["-m", str(max(record.size.ram_mib, settings.least_ram_mib))]
    if settings.sandbox:
        line += ["-sandbox", _SANDBOX]
    line += _monitor_and_console(files) + _disks(files) + _network()
    return line + _kernel(image, files)


def _limits(record: VMRecord) -> list[str]:
    """Let no file of the process outgrow its disk: the log of a noisy console can't fill ours."""
    disk = record.size.disk_gib * GIB
    # A qcow2 file is a little larger than the disk that it holds.
    largest = disk + disk // 64 + _SLACK
    return ["prlimit", f"--fsize={largest}", "--core=0", "--"]


def _monitor_and_console(files: OpenFiles) -> list[str]:
    listening = "server=on,wait=off"
    return [
        *("-chardev", f"socket,id=qmp,fd={files.qmp},{listening}"),
        *("-mon", "chardev=qmp,mode=control"),
        *("-chardev", f"socket,id=serial,fd={files.serial},{listening},logfile={SERIAL_LOG}"),
        *("-serial", "chardev:serial"),
    ]


def _disks(files: OpenFiles) -> list[str]:
    disk: dict[str, Any] = {
        "driver": "qcow2",
        "node-name": "disk",
        "discard": "unmap",
        "file": {"driver": "file", "filename": DISK},
    }
    if files.base is not None:
        disk["backing"] = {
            "driver": "qcow2",
            "read-only": True,
            "file": {"driver": "file", "filename": _opened(files.base), "read-only": True},
        }
    seed = {
        "driver": "raw",
        "node-name": "seed",
        "read-only": True,
        "file": {"driver": "file", "filename": _opened(files.seed), "read-only": True},
    }
    return [
        *("-blockdev", json.dumps(disk), "-device", "virtio-blk-pci,drive=disk,bootindex=1"),
        *("-blockdev", json.dumps(seed), "-device", "virtio-blk-pci,drive=seed"),
    ]


def _network() -> list[str]:
    """Keep the guest off the host's own addresses: `restrict` lets nothing out."""
    device = "virtio-net-pci,netdev=net,romfile="
    return ["-netdev", "user,id=net,restrict=on", "-device", device]


def _kernel(image: QemuImage, files: OpenFiles) -> list[str]:
    line: list[str] = []
    if files.kernel is not None:
        line += ["-kernel", _opened(files.kernel), "-append", image.boot_args]
    if files.initrd is not None:
        line += ["-initrd", _opened(files.initrd)]
    return line


def _opened(number: int) -> str:
    return f"/proc/self/fd/{number}"
