"""Whose VM it is, who was overtaken, and what is told of a VM. Pure functions."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping

from selling_service.provisioning.drivers.foreign.hands import Seen
from selling_service.provisioning.drivers.foreign.store import size_of
from selling_service.provisioning.platform import NotFound, Power, StaleFence, VMSize, VMState


def owned(row: RowMapping | None, *, owner_id: UUID) -> RowMapping:
    """The row if it is this owner's. Raises `NotFound`."""
    if row is None or row["owner_id"] != owner_id:
        raise NotFound("no such VM")
    return row


def allowed(row: RowMapping | None, *, owner_id: UUID, fence: int) -> RowMapping:
    """Likewise, where nobody came before with a higher fence. Raises `StaleFence`, too."""
    found = owned(row, owner_id=owner_id)
    check_fence(found, fence)
    return found


def check_fence(row: RowMapping | None, fence: int) -> None:
    """Raise `StaleFence` for a fence below the highest one seen."""
    if row is not None and fence < row["fence"]:
        raise StaleFence(f"a call with fence {row['fence']} came before this one with {fence}")


def told(row: RowMapping, seen: Seen | None) -> VMState:
    """A VM as we know it and as the platform has it; None: not there yet."""
    return VMState(
        vm_id=row["vm_id"],
        owner_id=row["owner_id"],
        power=seen.power if seen else Power.STOPPED,
        locked=row["locked"],
        size=size_of(row),
        image=row["image"],
        hostname=row["hostname"],
        addresses=seen.addresses if seen else (),
        fence=row["fence"],
        mark=row["mark"],
    )


def stranger(seen: Seen) -> VMState:
    """A VM that carries an id of ours, of which our database knows nothing (any more)."""
    return VMState(
        vm_id=seen.vm_id,
        owner_id=seen.owner_id,
        power=seen.power,
        locked=False,
        size=seen.size,
        image="",
        hostname=seen.hostname,
        addresses=seen.addresses,
        fence=0,
        mark=seen.mark,
    )


def merged(rows: Sequence[RowMapping], found: list[Seen]) -> list[VMState]:
    """What the platform has, as we know it, in the order of ids; what is half made besides."""
    there = {seen.vm_id: seen for seen in found}
    states = [
        told(row, there.get(row["vm_id"]))
        for row in rows
        if row["vm_id"] in there or not row["built"]
    ]
    known = {row["vm_id"] for row in rows}
    states += [stranger(seen) for vm_id, seen in there.items() if vm_id not in known]
    return sorted(states, key=lambda state: state.vm_id)


def nothing(owner_id: UUID, fence: int) -> dict[str, Any]:
    """What is left of a deleted VM: its fence, so that no overtaken call brings it back."""
    return {
        **asdict(VMSize(vcpu=0, ram_mib=0, disk_gib=0, ipv4=0)),
        "wanted": Power.STOPPED.value,
        "owner_id": owner_id,
        "fence": fence,
        "deleted": True,
        "built": False,
        "locked": False,
        "image": "",
        "hostname": "",
        "mark": None,
    }
