"""How our ids are written into VMmanager 6, and read again. Pure functions.

A VM's comment holds its id, its owner's and its mark: it is given with the creation itself, so that
there is no moment without it. Numbers of VMs and accounts are VMmanager's own affair.
"""

from dataclasses import dataclass
from uuid import UUID

_FIRST = "tandem-vm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """What a VM of ours says of itself."""

    vm_id: UUID
    owner_id: UUID
    mark: str | None

    def __str__(self) -> str:
        return " ".join([_FIRST, str(self.vm_id), str(self.owner_id), self.mark or ""]).rstrip()


def read_comment(comment: str | None) -> Comment | None:
    """What a comment says; None for a VM that isn't ours."""
    words = (comment or "").split()
    if len(words) < len(("tandem-vm", "id", "owner")) or words[0] != _FIRST:
        return None
    try:
        vm_id, owner_id = UUID(words[1]), UUID(words[2])
    except ValueError:
        return None
    return Comment(vm_id=vm_id, owner_id=owner_id, mark=" ".join(words[3:]) or None)


def login(owner_id: UUID, domain: str) -> str:
    """The login of a client: nothing of his own is in it."""
    return f"tandem-{owner_id.hex}@{domain}"


def keeper(domain: str) -> str:
    """The login to which suspended VMs belong; nobody has its password."""
    return f"tandem-suspended@{domain}"
