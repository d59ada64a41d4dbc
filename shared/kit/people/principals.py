"""Who acts for a house: a person of its staff, or a machine of its own. Knows no database."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Role(StrEnum):
    """What a person may do. Everybody reads; each change names the roles that may make it."""

    OWNER = "owner"
    OPERATOR = "operator"
    FINANCE = "finance"
    READ_ONLY = "read_only"


EVERYBODY = frozenset(Role)
OPERATORS = frozenset({Role.OWNER, Role.OPERATOR})
ACCOUNTANTS = frozenset({Role.OWNER, Role.FINANCE})
OWNERS = frozenset({Role.OWNER})


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffPrincipal:
    """A person of the staff, logged in. `second_factor`: they log in with one."""

    id: UUID
    email: str
    role: Role
    second_factor: bool = False


class Unattended(StrEnum):
    """Whoever acts where nobody has logged in: the command line, or the service by itself."""

    CLI = "cli"
    SYSTEM = "system"


Doer = StaffPrincipal | Unattended
