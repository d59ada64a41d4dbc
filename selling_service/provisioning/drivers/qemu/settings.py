"""What the provider decides about its QEMU machine. Knows no VM and reads no environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuImage:
    """One OS template.

    Either a `base` disk in qcow2 format, a `kernel` with its `initrd` and `boot_args`, or nothing
    at all: then the firmware finds nothing to start, which is enough to try the life of a VM.
    The files must be readable by everybody, for each platform user has a uid of its own.
    """

    base: Path | None = None
    kernel: Path | None = None
    initrd: Path | None = None
    boot_args: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QemuSettings:
    """Everything about one QEMU platform.

    `root` is the folder that holds users, disks and state. `images` are OS templates by name.
    `accel` is QEMU's word (`tcg`, `kvm`): that /dev/kvm exists does not mean that it works.
    `vms`, `vcpu`, `ram_mib` and `disk_gib` are the totals that may be handed out.
    A guest gets no less memory than `least_ram_mib`.
    Seconds: `stop_grace` for the guest to power off by itself, `answer_timeout` for QEMU to answer,
    `lock_timeout` to wait for another call on the same VM.
    As root each platform user gets the next uid from `first_uid` on, and no uid twice; otherwise
    (`own_uids` false) all belong to the worker's own user.
    """

    root: Path
    images: Mapping[str, QemuImage]
    accel: str = "tcg"
    cpu: str = "max"
    machine: str = "q35"
    binary: str = "qemu-system-x86_64"
    sandbox: bool = True
    vms: int = 100
    vcpu: int = 100
    ram_mib: int = 65536
    disk_gib: int = 1000
    least_ram_mib: int = 96
    stop_grace: float = 20.0
    answer_timeout: float = 10.0
    lock_timeout: float = 60.0
    own_uids: bool = field(default_factory=lambda: os.geteuid() == 0)
    first_uid: int = 900_000_000
    last_uid: int = 999_999_999
