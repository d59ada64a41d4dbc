"""Who may do what, as data: which scope or role each route wants, and what strangers hear.

A route of the partners' API that no line names fails the matrix. Routes of staff are for everybody
to read and for operators to change, unless a line says otherwise.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.contract.basics import Scope
from shared.kit.people import Role

EVERYBODY = frozenset(Role)
OPERATORS = frozenset({Role.OWNER, Role.OPERATOR})
ACCOUNTANTS = frozenset({Role.OWNER, Role.FINANCE})
OWNERS = frozenset({Role.OWNER})

# The first line that fits a label, e.g. `GET /partner/v1/services`, counts.
SCOPES: Sequence[tuple[str, Scope | None]] = (
    (r"GET /partner/v1/about", None),
    (r"GET /partner/v1/(balance|statement|inventory/charges)", Scope.MONEY_READ),
    (
        r"GET /partner/v1/(catalog|accounts|services|operations|commands|inventory|trail)",
        Scope.SERVICES_READ,
    ),
    (r"POST /partner/v1/quotes", Scope.SERVICES_READ),
    (r"(PUT|DELETE) /partner/v1/accounts|POST /partner/v1/services$", Scope.SERVICES_ORDER),
    (r"POST /partner/v1/(services|commands)/", Scope.SERVICES_MANAGE),
    (r"\w+ /partner/v1/(events|webhook-endpoints)", Scope.EVENTS_READ),
)
ROLES: Sequence[tuple[str, frozenset[Role]]] = (
    (r"\w+ /\w+/v1/(logout|me)\b", EVERYBODY),
    (r"\w+ /\w+/v1/staff\b|POST .*/erase$", OWNERS),
    (r"POST .*/quotes$", EVERYBODY),
    (r"\w+ .*/(top-ups|pay-outs|corrections|credit-limit|unpark)$", ACCOUNTANTS),
    (r"GET .*/clients/{client_id}/export$", OPERATORS),
    (r"GET ", EVERYBODY),
    (r"", OPERATORS),
)
# What a blocked partner may still send; everything else but reading is `partner_blocked`.
WHILE_BLOCKED = (
    r"GET |DELETE /partner/v1/accounts|POST .*/(suspend|terminate|cancel|quotes)$|.*webhook"
)

# (status, code) by what is wrong with whoever asks.
REFUSALS = {
    "wrong address": (403, "address_not_allowed"),
    "missing scope": (403, "insufficient_scope"),
    "blocked": (403, "partner_blocked"),
    "other role": (403, "role_required"),
    "foreign object": (404, "not_found"),
}
UNAUTHORIZED = (401, "unauthorized")
# Here an id of one's own choosing is taken: somebody else's is as good as a new one.
MAKES_ITS_OWN = {
    "PUT /partner/v1/accounts/{client_ref}": 200,
    "POST /partner/v1/commands/{command_id}/cancel": 200,
}
# Here staff puts things of no one partner below a partner.
NOT_OF_ITS_PARENT = {"PUT /admin/v1/partners/{partner_id}/offers/{tariff_id}"}
# What belongs to one installation of a partner, and isn't there for the others.
OF_AN_INSTALLATION = r"\w+ /partner/v1/webhook-endpoints/{"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of a document."""

    service: str
    method: str
    path: str
    scheme: str | None
    operation: dict[str, object]

    @property
    def label(self) -> str:
        """As the tables here name it."""
        return f"{self.method} {self.path}"


def scope_of(label: str) -> Scope | None:
    """The scope that a key must have. LookupError where no line names the route."""
    for pattern, scope in SCOPES:
        if re.match(pattern, label):
            return scope
    raise LookupError(f"{label}: say in tests/isolation/rules.py which scope it wants")


def roles_of(label: str) -> frozenset[Role]:
    """Who of the staff may."""
    return next(roles for pattern, roles in ROLES if re.match(pattern, label))


def works_while_blocked(label: str) -> bool:
    """Whether a blocked partner may still do this."""
    return re.match(WHILE_BLOCKED, label) is not None
