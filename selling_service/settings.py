"""What a provider can set, from variables that begin with `SELLING_`."""

from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from shared.contract.basics import Edition
from shared.kit.settings import ServiceSettings

# What a platform on other machines can't be driven without, once its URL is set.
_NEEDED = {
    "proxmox": ("token", "templates"),
    "vmmanager6": ("email", "password", "templates", "cluster", "login_domain"),
}


class SellingSettings(ServiceSettings):
    """Settings of the selling service."""

    model_config = SettingsConfigDict(
        env_prefix="SELLING_", extra="ignore", hide_input_in_errors=True
    )

    port: int = Field(default=8001, ge=1, le=65535)
    edition: Edition = Edition.HOSTING_CLOUD
    expiry_slack_seconds: int = Field(default=900, ge=0)
    retention_seconds: int = Field(default=14 * 86400, ge=0)
    platform: str = Field(default="simulated", pattern="^(simulated|qemu)$")
    platform_patience_seconds: float = Field(
        default=300.0,
        gt=0,
        description="A platform that doesn't answer for so long counts as away: tried again later.",
    )
    qemu_directory: str = ".tandem/qemu"
    qemu_kernel: str | None = None
    qemu_initrd: str | None = None
    qemu_base_image: str | None = None
    qemu_boot_args: str = "console=ttyS0"
    qemu_images: tuple[str, ...] = ("tandem-guest",)
    qemu_acceleration: str = "tcg"
    qemu_memory_floor_mib: int = 96
    qemu_stop_grace_seconds: float = 20.0
    qemu_vms: int = 100
    qemu_vcpu: int = 100
    qemu_ram_mib: int = 65536
    qemu_disk_gib: int = 1000
    proxmox_url: str | None = Field(
        default=None, pattern="^https://", description="Drive this Proxmox VE, too."
    )
    proxmox_token: SecretStr | None = Field(default=None, description="USER@REALM!NAME=SECRET")
    proxmox_authority: Path | None = Field(
        default=None, description="PEM: who signed the certificate of its API."
    )
    proxmox_templates: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="By image and node: the number of the template VM."
    )
    proxmox_realm: str = "pve"
    proxmox_role: str = "TandemClient"
    proxmox_locked_role: str = "PVEAuditor"
    proxmox_bridge: str = "vmbr0"
    proxmox_disk: str = "scsi0"
    proxmox_storage: str | None = None
    proxmox_task_seconds: float = Field(default=600.0, gt=0)
    proxmox_stop_grace_seconds: int = Field(default=20, ge=1)
    proxmox_vms: int = 1000
    proxmox_vcpu: int = 1000
    proxmox_ram_mib: int = 1 << 20
    proxmox_disk_gib: int = 10_000
    vmmanager6_url: str | None = Field(
        default=None, pattern="^https://", description="Drive this VMmanager 6, too."
    )
    vmmanager6_email: str | None = Field(default=None, description="An administrator's login.")
    vmmanager6_password: SecretStr | None = None
    vmmanager6_authority: Path | None = Field(
        default=None, description="PEM: who signed the certificate of its API."
    )
    vmmanager6_templates: dict[str, int] = Field(
        default_factory=dict, description="By image: the number of the operating system."
    )
    vmmanager6_cluster: int | None = Field(default=None, description="Where VMs are made.")
    vmmanager6_pools: tuple[int, ...] = ()
    vmmanager6_login_domain: str | None = Field(
        default=None, description="Clients' logins are made at this domain; it gets no mail."
    )
    vmmanager6_task_seconds: float = Field(default=1200.0, gt=0)
    vmmanager6_stop_grace_seconds: float = Field(default=20.0, ge=0)
    vmmanager6_vms: int = 1000
    vmmanager6_vcpu: int = 1000
    vmmanager6_ram_mib: int = 1 << 20
    vmmanager6_disk_gib: int = 10_000
    api_processes: int = Field(
        default=1,
        ge=1,
        description="How many share the limits of keys; each lets its part through.",
    )
    requests_per_minute: int = Field(default=6000, ge=1)
    urgent_requests_per_minute: int = Field(default=6000, ge=1)
    webhook_private_addresses: bool = Field(
        default=False,
        description="Send hints also to private addresses and over http. For tests at home only.",
    )
    webhook_authority: Path | None = Field(
        default=None, description="PEM: who signs receivers' certificates, and nobody else does."
    )
    keep_events_days: int = Field(
        default=90, ge=7, description="How long a reseller that was away can read on."
    )
    keep_deliveries_days: int = Field(
        default=30, ge=7, description="How long the log of webhook deliveries is kept."
    )
    open_streams: int = Field(default=10, ge=1)

    @model_validator(mode="after")
    def _platforms_are_whole(self) -> Self:
        for platform, needed in _NEEDED.items():
            missing = [name for name in needed if not getattr(self, f"{platform}_{name}")]
            if getattr(self, f"{platform}_url") and missing:
                first = f"SELLING_{platform.upper()}_"
                named = ", ".join(f"{first}{name.upper()}" for name in missing)
                raise ValueError(f"{first}URL is set, but not {named}")
        return self

    @property
    def platforms(self) -> frozenset[str]:
        """Names of the platforms that this installation drives."""
        foreign = {name for name in _NEEDED if getattr(self, f"{name}_url")}
        return frozenset({"simulated", self.platform, *foreign})

    @property
    def keep_events(self) -> timedelta:
        """How long events are kept."""
        return timedelta(days=self.keep_events_days)

    @property
    def keep_deliveries(self) -> timedelta:
        """How long the log of deliveries is kept."""
        return timedelta(days=self.keep_deliveries_days)

    @property
    def expiry_slack(self) -> timedelta:
        """How long after `paid_until` a service goes on."""
        return timedelta(seconds=self.expiry_slack_seconds)

    @property
    def retention(self) -> timedelta:
        """How long a terminated service can be restored."""
        return timedelta(seconds=self.retention_seconds)


@cache
def get_settings() -> SellingSettings:
    """The settings of this process."""
    return SellingSettings()
