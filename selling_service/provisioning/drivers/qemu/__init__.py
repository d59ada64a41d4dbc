"""Real virtual machines on this machine, each a QEMU process that is driven over QMP."""

from selling_service.provisioning.drivers.qemu.driver import QemuPlatform
from selling_service.provisioning.drivers.qemu.settings import QemuImage, QemuSettings

__all__ = ["QemuImage", "QemuPlatform", "QemuSettings"]
