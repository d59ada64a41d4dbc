"""The port to a VM platform: what every driver must do, and how it says that it can't.

Owns the protocol, its value objects and its errors. Knows neither services, money nor partners: a
platform user is named by the account's id, a VM by the service's id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from shared.contract.basics import Capability


class PlatformError(Exception):
    """Something went wrong at the platform; `detail` is safe to show to the provider's staff."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class PlatformUnavailable(PlatformError):
    """The platform is away, busy or answered nonsense: the same call may succeed later."""


class PlatformRefused(PlatformError):
    """The platform will never do this: trying again is useless."""


class PlatformFull(PlatformRefused):
    """No room for this VM."""


class UnknownImage(PlatformRefused):
    """The OS template does not exist on this platform."""


class NotFound(PlatformRefused):
    """No such user or VM, or it belongs to somebody else."""


class VMLocked(PlatformRefused):
    """The VM is suspended: it can't be started until it is unlocked."""


class StaleFence(PlatformError):
    """A call with a higher fence reached this VM before: whoever made this one was overtaken."""


class Power(StrEnum):
    """Whether the virtual machine's processor runs."""

    RUNNING = "running"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class VMSize:
    """vCPUs, memory in MiB, disk in GiB, number of public IPv4 addresses."""

    vcpu: int
    ram_mib: int
    disk_gib: int
    ipv4: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GuestContent:
    """The client's content for the VM. Never logged.

    `password_hash` is a crypt(3) string, `ssh_keys` are OpenSSH public key lines, `user_data` is
    cloud-init text.
    """

    hostname: str
    ssh_keys: Sequence[str] = ()
    password_hash: str | None = field(default=None, repr=False)
    user_data: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class VMState:
    """What the platform says of a VM. `fence` is the highest sequence number it has seen.

    `mark` is what its creation said of whose it is; None where that was somebody else, or an older
    release.
    """

    vm_id: UUID
    owner_id: UUID
    power: Power
    locked: bool
    size: VMSize
    image: str
    hostname: str
    addresses: tuple[str, ...]
    fence: int
    mark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Totals of a platform: how much it has and how much of it is taken."""

    vms: int
    vms_used: int
    vcpu: int
    vcpu_used: int
    ram_mib: int
    ram_mib_used: int
    disk_gib: int
    disk_gib_used: int


class Platform(Protocol):
    """One VM platform.

    Every call is idempotent under our own ids. Every call on a VM names its owner, and a VM of
    another owner is `NotFound`. A changing call carries `fence`, a number that grows with each
    attempt on that VM: the driver keeps the highest one with the VM and refuses a lower one with
    `StaleFence`, under a lock per VM, so that a frozen worker can't undo what another did since.
    A call with the same fence as the kept one is allowed (a repeat).
    A locked VM is stopped and stays so: `start` and `restart` raise `VMLocked`, and no restart of
    the driver or of the node may start it.
    Any call may raise `PlatformUnavailable`.
    `capabilities` are what an order may ask for; whatever else it asks for is `PlatformRefused`.
    """

    name: str
    capabilities: frozenset[Capability]

    async def ensure_user(self, *, owner_id: UUID) -> None:
        """Make the platform user of this owner where there is none."""

    async def delete_user(self, *, owner_id: UUID) -> None:
        """Delete the user; `PlatformRefused` while VMs are left; no error where there is none."""

    async def create_vm(
        self,
        *,
        owner_id: UUID,
        vm_id: UUID,
        size: VMSize,
        image: str,
        content: GuestContent,
        fence: int,
        started: bool = True,
        mark: str | None = None,
    ) -> VMState:
        """Create the VM, and start it unless `started` is false (it is then created locked).

        `mark` is kept with the VM, and shown to whoever lists it.

        A repeat finds the VM again, whatever was left half done. Raises `PlatformFull`,
        `UnknownImage`, `NotFound` (no such user, or the id belongs to another owner), `StaleFence`.
        """

    async def start_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        """Start it; a running VM is left as it is. Raises `VMLocked`."""

    async def stop_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        """Stop it; a stopped VM is left as it is."""

    async def restart_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        """Stop and start it. Raises `VMLocked`."""

    async def lock_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        """Stop it and keep anybody from starting it."""

    async def unlock_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> VMState:
        """Lift the lock. The VM stays stopped until somebody starts it."""

    async def rename_vm(self, *, owner_id: UUID, vm_id: UUID, hostname: str, fence: int) -> VMState:
        """Give it another host name; the guest sees it at its next start."""

    async def delete_vm(self, *, owner_id: UUID, vm_id: UUID, fence: int) -> None:
        """Delete the VM and everything that it kept; no error where there is none."""

    async def get_vm(self, *, owner_id: UUID, vm_id: UUID) -> VMState:
        """Raises `NotFound`, the same for an absent VM and for one of another owner."""

    async def list_vms(self, *, owner_id: UUID) -> list[VMState]:
        """The VMs of this owner and no others."""

    async def scan_vms(self, *, after: UUID | None, limit: int) -> list[VMState]:
        """Up to `limit` VMs of all owners with ids after this one, in the order of ids."""

    async def capacity(self) -> Capacity:
        """Totals as the platform counts them now."""


# By the name that a data centre gives.
Platforms = Mapping[str, Platform]


def mark_of(partner_id: UUID, service_ref: UUID) -> str:
    """What we write on a VM, so that it can be told whose it is where our books know nothing."""
    return f"tandem:{partner_id}:{service_ref}"


def read_mark(mark: str | None) -> tuple[UUID, UUID] | None:
    """The partner and the service_ref of our mark; None for one that isn't ours."""
    parts = (mark or "").split(":")
    if len(parts) != len(("tandem", "partner", "ref")) or parts[0] != "tandem":
        return None
    try:
        return UUID(parts[1]), UUID(parts[2])
    except ValueError:
        return None
