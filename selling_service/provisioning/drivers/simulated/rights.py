"""Whose VM it is, whether a call was overtaken, and what is told of a row. Pure functions."""

from uuid import UUID

from sqlalchemy import RowMapping

from selling_service.provisioning.drivers.simulated.store import size_of
from selling_service.provisioning.platform import NotFound, Power, StaleFence, VMState


def owned(row: RowMapping | None, *, owner_id: UUID) -> RowMapping:
    """Return the row if it is this owner's. Raises `NotFound`."""
    if row is None or row["owner_id"] != owner_id:
        raise NotFound("no such VM")
    return row


def check_fence(fence: int, *, seen: int) -> None:
    """Raise `StaleFence` for a fence below the highest one seen."""
    if fence < seen:
        raise StaleFence(f"a call with fence {seen} came before this one with {fence}")


def told(row: RowMapping) -> VMState:
    """Say what the platform says of a VM."""
    return VMState(
        vm_id=row["vm_id"],
        owner_id=row["owner_id"],
        power=Power(row["power"]),
        locked=row["locked"],
        size=size_of(row),
        image=row["image"],
        hostname=row["hostname"],
        addresses=tuple(row["addresses"]),
        fence=row["fence"],
        mark=row["mark"],
    )
