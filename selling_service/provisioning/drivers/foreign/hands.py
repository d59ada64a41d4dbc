"""The port to a platform on other machines: single acts, each safe to repeat.

When an act comes, whose the VM is and that nobody was overtaken has been made sure of; see
`ForeignPlatform`. A VM carries our ids, by which it is found: a platform's own numbers are used
again for others.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from selling_service.provisioning.platform import GuestContent, Power, VMSize
from shared.contract.basics import Capability


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A VM as the platform has it now. `handle` is the platform's own word for it.

    `size` and `hostname` are as the platform tells them. `mark` is None where it shows none.
    """

    handle: str
    vm_id: UUID
    owner_id: UUID
    power: Power
    size: VMSize
    hostname: str
    addresses: tuple[str, ...] = ()
    mark: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The VM that is to be built."""

    vm_id: UUID
    owner_id: UUID
    size: VMSize
    image: str
    mark: str | None


class Hands(Protocol):
    """Raises `PlatformUnavailable` where the platform is away or busy, else `PlatformRefused`."""

    capabilities: frozenset[Capability]

    async def has_image(self, image: str) -> bool:
        """Whether there is such an OS template."""

    async def put_user(self, owner_id: UUID) -> None:
        """Make the user, or whatever is missing of him."""

    async def drop_user(self, owner_id: UUID) -> None:
        """Remove what there is of the user."""

    async def find(self, vm_id: UUID) -> Seen | None:
        """The VM that carries this id."""

    async def find_all(self, owner_id: UUID | None = None) -> list[Seen]:
        """Every VM that carries an id of ours, or those of one owner."""

    async def build(self, plan: Plan, content: GuestContent) -> Seen:
        """Make the VM, or finish what an earlier attempt left; it may be running then.

        An attempt may be cut short anywhere: what carries the id is found again.
        """

    async def guard(self, seen: Seen, *, locked: bool) -> None:
        """Keep its user from starting it, and the platform after a restart; or allow both."""

    async def start(self, seen: Seen) -> None:
        """Start it; a running one is left as it is."""

    async def stop(self, seen: Seen) -> None:
        """Stop it for certain; a stopped one is left as it is."""

    async def rename(self, seen: Seen, hostname: str) -> None:
        """Give it another host name, for the guest's next start."""

    async def drop(self, seen: Seen) -> None:
        """Delete it, stopped or not, with everything that it kept."""
