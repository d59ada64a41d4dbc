"""How our ids are written into Proxmox VE, and read again. Pure functions.

A VM carries tags: its id, its owner's, and what its mark says. While it is cloned it has no tags
yet, and its name says its id. An owner has two pools: what he may run, and what is locked.
"""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from selling_service.provisioning.platform import read_mark

_VM, _PARTNER, _REF = "tandem-vm-", "tandem-partner-", "tandem-ref-"
_OWNER = "tandem-"
_LOCKED = "-locked"


def user_name(owner_id: UUID, realm: str) -> str:
    """The user of an owner."""
    return f"{_OWNER}{owner_id.hex}@{realm}"


def pool_name(owner_id: UUID, *, locked: bool) -> str:
    """The pool of an owner's VMs that he may start, or of those that he may not."""
    return f"{_OWNER}{owner_id.hex}{_LOCKED if locked else ''}"


def owner_of(pool: str | None) -> UUID | None:
    """Whose pool it is; None for one that isn't ours."""
    return _id((pool or "").removesuffix(_LOCKED), _OWNER)


def first_name(vm_id: UUID) -> str:
    """The name of a VM that is being made."""
    return f"{_VM}{vm_id.hex}"


def tags(vm_id: UUID, mark: str | None) -> str:
    """What a VM is tagged with."""
    found = [first_name(vm_id)]
    if whose := read_mark(mark):
        found += [f"{_PARTNER}{whose[0].hex}", f"{_REF}{whose[1].hex}"]
    return ";".join(found)


def vm_id_of(resource: dict[str, Any]) -> UUID | None:
    """Which of our VMs this is; None for another's."""
    return _first([*_tags_of(resource), str(resource.get("name", ""))], _VM)


def mark_of_tags(resource: dict[str, Any]) -> str | None:
    """The mark that the tags hold."""
    partner, ref = (_first(_tags_of(resource), prefix) for prefix in (_PARTNER, _REF))
    return f"tandem:{partner}:{ref}" if partner and ref else None


def _tags_of(resource: dict[str, Any]) -> list[str]:
    return str(resource.get("tags") or "").split(";")


def _first(words: Iterable[str], prefix: str) -> UUID | None:
    return next((found for word in words if (found := _id(word, prefix))), None)


def _id(word: str, prefix: str) -> UUID | None:
    if not word.startswith(prefix):
        return None
    try:
        return UUID(hex=word.removeprefix(prefix))
    except ValueError:
        return None
