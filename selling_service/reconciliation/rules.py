"""Judges a service and its VM: what differs, and who may put it right. No I/O."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from selling_service.provisioning.platform import Power, VMState, read_mark
from shared.contract.basics import ServiceState
from shared.kit.reconciling import Finding, Way


class Kind(StrEnum):
    """What can be different between the books and a platform."""

    VM_OF_NO_SERVICE = "vm_of_no_service"
    VM_OF_ANOTHER_OWNER = "vm_of_another_owner"
    VM_MISSING = "vm_missing"
    VM_LEFT_OVER = "vm_left_over"
    VM_RUNS_THOUGH_STOPPED = "vm_runs_though_stopped"
    VM_LOCKED_THOUGH_ACTIVE = "vm_locked_though_active"
    VM_POWER = "vm_power"
    VM_POWER_UNTOLD = "vm_power_untold"
    FENCE_BEHIND = "fence_behind"


_BUILT = frozenset({ServiceState.ACTIVE, ServiceState.SUSPENDED, ServiceState.TERMINATED})
_GONE = frozenset({ServiceState.DELETED, ServiceState.FAILED})
MEANINGS: dict[str, str] = {
    Kind.VM_OF_NO_SERVICE: "The platform has a VM that belongs to no service of our books.",
    Kind.VM_OF_ANOTHER_OWNER: "A service's VM belongs to another user of the platform.",
    Kind.VM_MISSING: "A service that is charged for has no VM on its platform.",
    Kind.VM_LEFT_OVER: "A VM is still there whose service is gone: nobody pays for it.",
    Kind.VM_RUNS_THOUGH_STOPPED: "A VM that must stand still runs, or could be started.",
    Kind.VM_LOCKED_THOUGH_ACTIVE: "A VM is locked on the platform though its service is active.",
    Kind.VM_POWER: "A VM runs or stands other than its service's power was wanted.",
    Kind.VM_POWER_UNTOLD: "A VM's power has changed, and the partner hasn't been told.",
    Kind.FENCE_BEHIND: "The platform has seen newer commands than our books know.",
}
_REPAIRS = {
    Kind.VM_OF_NO_SERVICE: "Wait for the reseller to order it again (its VM is found again), or "
    "delete it when the grace is over. Only a VM with our mark is ever deleted.",
    Kind.VM_OF_ANOTHER_OWNER: "Look at the platform by hand: our id belongs to another user there.",
    Kind.VM_MISSING: "Restore the VM on the platform, or adopt: the service is terminated.",
    Kind.VM_LEFT_OVER: "Undo: delete the VM of the service that is gone.",
    Kind.VM_RUNS_THOUGH_STOPPED: "Stop the VM and lock it, as the books want it.",
    Kind.VM_LOCKED_THOUGH_ACTIVE: "Wait whether the partner suspends it again, or undo: the VM is "
    "unlocked and stands as the books want it.",
    Kind.VM_POWER: "Adopt: the books want it as it stands. Undo: it is started or stopped as the "
    "books want it.",
    Kind.VM_POWER_UNTOLD: "Write down how the VM stands, and tell the partner.",
    Kind.FENCE_BEHIND: "Take the platform's fence over: these books are older than the platform.",
}
_SAFE = frozenset({Kind.VM_RUNS_THOUGH_STOPPED, Kind.VM_POWER_UNTOLD, Kind.FENCE_BEHIND})
_WAYS = {
    Kind.VM_OF_NO_SERVICE: (Way.UNDO,),
    Kind.VM_MISSING: (Way.ADOPT,),
    Kind.VM_LEFT_OVER: (Way.UNDO,),
    Kind.VM_LOCKED_THOUGH_ACTIVE: (Way.UNDO,),
    Kind.VM_POWER: (Way.ADOPT, Way.UNDO),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A service as the books have it. `busy`: something is under way, so nothing is judged."""

    service_id: UUID
    partner_id: UUID
    service_ref: UUID
    account_id: UUID
    state: str
    power: str
    wanted_power: str
    suspended_by: tuple[str, ...]
    fence: int
    busy: bool

    @property
    def stands_locked(self) -> bool:
        """Whether nobody may start its VM."""
        return bool(self.suspended_by) or self.state == ServiceState.TERMINATED


def platform_scope(name: str) -> str:
    """The comparison of one platform."""
    return f"platform:{name}"


def judge(platform: str, kept: Kept | None, vm: VMState | None) -> Finding | None:
    """What differs most; what else may differ shows when that is put right."""
    kind = next(_kinds(kept, vm), None)
    if kind is None:
        return None
    marked = read_mark(vm.mark) if vm is not None else None
    owner = kept.account_id if kept is not None else None
    refs: dict[str, UUID | str | None] = {
        "platform": platform,
        "vm": vm.vm_id if vm is not None else None,
        "account": owner or (vm.owner_id if vm is not None else None),
        "service": kept.service_id if kept is not None else None,
        "service_ref": kept.service_ref if kept is not None else marked and marked[1],
        "partner": kept.partner_id if kept is not None else marked and marked[0],
    }
    ways = _WAYS.get(kind, ())
    if kind is Kind.VM_OF_NO_SERVICE and marked is None:
        ways = ()
    return Finding(
        kind=kind,
        key=str(vm.vm_id if vm is not None else refs["service"]),
        scope=platform_scope(platform),
        refs=refs,
        evidence={"books": _books(kept), "platform": _platform(vm)},
        repair=_REPAIRS[kind],
        safe=kind in _SAFE,
        ways=ways,
    )


def _kinds(kept: Kept | None, vm: VMState | None) -> Iterator[Kind]:
    if kept is None:
        if vm is not None:
            yield Kind.VM_OF_NO_SERVICE
        return
    if kept.busy:
        return
    if kept.state in _GONE:
        if vm is not None:
            yield Kind.VM_LEFT_OVER
        return
    if kept.state not in _BUILT:
        return
    if vm is None:
        yield Kind.VM_MISSING
    elif vm.owner_id != kept.account_id:
        yield Kind.VM_OF_ANOTHER_OWNER
    elif vm.fence > kept.fence:
        yield Kind.FENCE_BEHIND
    else:
        yield from _standing(kept, vm)


def _standing(kept: Kept, vm: VMState) -> Iterator[Kind]:
    if kept.stands_locked:
        if not vm.locked or vm.power is Power.RUNNING:
            yield Kind.VM_RUNS_THOUGH_STOPPED
    elif vm.locked:
        yield Kind.VM_LOCKED_THOUGH_ACTIVE
    elif vm.power != kept.wanted_power:
        yield Kind.VM_POWER
    if kept.power != vm.power:
        yield Kind.VM_POWER_UNTOLD


def _books(kept: Kept | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    return {
        "state": kept.state,
        "power": kept.power,
        "wanted_power": kept.wanted_power,
        "suspended_by": list(kept.suspended_by),
        "fence": kept.fence,
    }


def _platform(vm: VMState | None) -> dict[str, Any] | None:
    if vm is None:
        return None
    return {
        "power": str(vm.power),
        "locked": vm.locked,
        "fence": vm.fence,
        "owner": str(vm.owner_id),
        "mark": vm.mark,
    }
