"""What the provider sells of a platform on other machines."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Totals that may be handed out, however much the platform has."""

    vms: int = 1000
    vcpu: int = 1000
    ram_mib: int = 1 << 20
    disk_gib: int = 10_000
