"""The creation of a simulated VM, the first time and again."""

from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from selling_service.provisioning.drivers.simulated.addresses import address
from selling_service.provisioning.drivers.simulated.rights import check_fence, owned
from selling_service.provisioning.drivers.simulated.store import Store
from selling_service.provisioning.platform import (
    NotFound,
    PlatformFull,
    PlatformRefused,
    Power,
    UnknownImage,
    VMSize,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The VM that is asked for; `locked` when it is not to be started."""

    owner_id: UUID
    vm_id: UUID
    size: VMSize
    image: str
    hostname: str
    fence: int
    locked: bool
    mark: str | None = None


async def create(store: Store, wish: Wish, *, half_done: bool) -> RowMapping:
    """Make the VM, or finish one that was left half done, or find it again."""
    row = await store.hold_vm(wish.vm_id)
    if row is None or row["deleted"]:
        check_fence(wish.fence, seen=-1 if row is None else row["fence"])
        row = await _reserve(store, wish)
    else:
        check_fence(wish.fence, seen=owned(row, owner_id=wish.owner_id)["fence"])
        row = await store.change_vm(wish.vm_id, **_again(row, wish))
    if row["built"] or half_done:
        return row
    return await store.change_vm(wish.vm_id, built=True, **({} if row["locked"] else running(row)))


def running(row: RowMapping) -> dict[str, Any]:
    """Return what a start changes: the guest reads its host name then."""
    return {
        "power": Power.RUNNING,
        "wanted": Power.RUNNING,
        "seen_hostname": row["hostname"],
        "boots": row["boots"] + 1,
    }


def _again(row: RowMapping, wish: Wish) -> dict[str, Any]:
    """Keep what is built, but lock what is not wanted started: a suspension came in between."""
    changes: dict[str, Any] = {"fence": wish.fence}
    if wish.locked:
        changes |= {"locked": True, "power": Power.STOPPED, "wanted": Power.STOPPED}
    if not row["built"]:
        changes["hostname"] = wish.hostname
    return changes


async def _reserve(store: Store, wish: Wish) -> RowMapping:
    if not await store.hold_user(wish.owner_id):
        raise NotFound("no such platform user")
    platform = await store.platform()
    if platform["images"] is not None and wish.image not in platform["images"]:
        raise UnknownImage(f"this platform has no OS template {wish.image!r}")
    limit = platform["vms_per_user"]
    if limit is not None and len(await store.vms_of(wish.owner_id)) >= limit:
        raise PlatformRefused("the platform user may not have more VMs")
    first = await store.take(wish.size)
    if first is None:
        raise PlatformFull("no room for this VM")
    return await store.put_vm(
        wish.vm_id,
        **asdict(wish.size),
        owner_id=wish.owner_id,
        fence=wish.fence,
        deleted=False,
        built=False,
        power=Power.STOPPED,
        wanted=Power.STOPPED,
        locked=wish.locked,
        image=wish.image,
        hostname=wish.hostname,
        seen_hostname=None,
        boots=0,
        mark=wish.mark,
        addresses=[address(first + number) for number in range(wish.size.ipv4)],
    )
