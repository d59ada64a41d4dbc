"""Opens the platforms that the settings name. Nothing else knows which drivers there are."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from selling_service.database import SellingRuntime
from selling_service.provisioning.drivers.foreign import ForeignPlatform, Limits
from selling_service.provisioning.drivers.proxmox import ProxmoxAPI, ProxmoxHands, ProxmoxSettings
from selling_service.provisioning.drivers.qemu import QemuImage, QemuPlatform, QemuSettings
from selling_service.provisioning.drivers.simulated import SimulatedPlatform
from selling_service.provisioning.drivers.vmmanager6 import (
    VMmanager6API,
    VMmanager6Hands,
    VMmanager6Settings,
)
from selling_service.provisioning.platform import Platform, Platforms
from selling_service.settings import SellingSettings


@asynccontextmanager
async def open_platforms(runtime: SellingRuntime) -> AsyncIterator[Platforms]:
    """The platforms of this installation, by the name that a data centre gives, while it lasts."""
    settings, engine = runtime.settings, runtime.staff.engine
    platforms: dict[str, Platform] = {"simulated": SimulatedPlatform(engine, name="simulated")}
    async with AsyncExitStack() as lines:
        if "qemu" in settings.platforms:
            platforms["qemu"] = QemuPlatform(_qemu(settings), name="qemu")
        if "proxmox" in settings.platforms:
            given = _proxmox(settings)
            hands = ProxmoxHands(given, await lines.enter_async_context(ProxmoxAPI(given)))
            platforms["proxmox"] = ForeignPlatform(
                hands, engine, name="proxmox", limits=_limits(settings, "proxmox")
            )
        if "vmmanager6" in settings.platforms:
            wanted = _vmmanager6(settings)
            line = await lines.enter_async_context(VMmanager6API(wanted))
            platforms["vmmanager6"] = ForeignPlatform(
                VMmanager6Hands(wanted, line),
                engine,
                name="vmmanager6",
                limits=_limits(settings, "vmmanager6"),
            )
        yield platforms


def _qemu(settings: SellingSettings) -> QemuSettings:
    """What the QEMU driver wants to know. The one image serves every OS template."""

    def path(value: str | None) -> Path | None:
        return Path(value).resolve() if value else None

    image = QemuImage(
        base=path(settings.qemu_base_image),
        kernel=path(settings.qemu_kernel),
        initrd=path(settings.qemu_initrd),
        boot_args=settings.qemu_boot_args,
    )
    return QemuSettings(
        root=Path(settings.qemu_directory).resolve(),
        images=dict.fromkeys(settings.qemu_images, image),
        accel=settings.qemu_acceleration,
        least_ram_mib=settings.qemu_memory_floor_mib,
        stop_grace=settings.qemu_stop_grace_seconds,
        vms=settings.qemu_vms,
        vcpu=settings.qemu_vcpu,
        ram_mib=settings.qemu_ram_mib,
        disk_gib=settings.qemu_disk_gib,
    )


def _proxmox(settings: SellingSettings) -> ProxmoxSettings:
    return ProxmoxSettings(
        url=settings.proxmox_url or "",
        token=settings.proxmox_token.get_secret_value() if settings.proxmox_token else "",
        authority=settings.proxmox_authority,
        templates=settings.proxmox_templates,
        realm=settings.proxmox_realm,
        role=settings.proxmox_role,
        locked_role=settings.proxmox_locked_role,
        bridge=settings.proxmox_bridge,
        disk=settings.proxmox_disk,
        storage=settings.proxmox_storage,
        task_timeout=settings.proxmox_task_seconds,
        stop_grace=settings.proxmox_stop_grace_seconds,
    )


def _vmmanager6(settings: SellingSettings) -> VMmanager6Settings:
    password = settings.vmmanager6_password
    return VMmanager6Settings(
        url=settings.vmmanager6_url or "",
        email=settings.vmmanager6_email or "",
        password=password.get_secret_value() if password else "",
        authority=settings.vmmanager6_authority,
        templates=settings.vmmanager6_templates,
        cluster=settings.vmmanager6_cluster or 0,
        pools=settings.vmmanager6_pools,
        login_domain=settings.vmmanager6_login_domain or "",
        task_timeout=settings.vmmanager6_task_seconds,
        stop_grace=settings.vmmanager6_stop_grace_seconds,
    )


def _limits(settings: SellingSettings, platform: str) -> Limits:
    """What may be handed out there in all."""
    names = ("vms", "vcpu", "ram_mib", "disk_gib")
    return Limits(**{name: getattr(settings, f"{platform}_{name}") for name in names})
