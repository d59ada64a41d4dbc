"""What a partner may do in which state, and whether a key is good. Knows no database, no HTTP."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from shared.contract.basics import CommandKind, Scope
from shared.contract.problems import (
    ADDRESS_NOT_ALLOWED,
    CERTIFICATE_REQUIRED,
    INSUFFICIENT_SCOPE,
    ORDERS_CLOSED,
    PARTNER_BLOCKED,
    UNAUTHORIZED,
)
from shared.kit.keys import hash_secret, secret_matches
from shared.kit.problems import ProblemError

KEY_PREFIX = "tps"
LONGEST_KEY_LIFE = timedelta(days=3660)
_WHILE_BLOCKED = frozenset({CommandKind.SUSPEND, CommandKind.TERMINATE})
# Compared where there is no such key, so that both take the same path.
_DECOY = hash_secret("no such key")
_CHALLENGE = {"WWW-Authenticate": "Bearer"}


class PartnerState(StrEnum):
    """Whether a partner may order, and whether it may do anything but read and end services."""

    ACTIVE = "active"
    NO_NEW_ORDERS = "no_new_orders"
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerPrincipal:
    """The partner that asks, through one of its installations, with one of its keys."""

    partner_id: UUID
    installation_id: UUID
    key_id: UUID
    scopes: frozenset[str]
    state: PartnerState
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownKey:
    """A key as it is kept, with the partner it speaks for."""

    principal: PartnerPrincipal
    secret_hash: bytes = field(repr=False)
    allowed_networks: Sequence[str]
    client_certificate: str | None
    expires_at: datetime | None
    revoked_at: datetime | None

    def is_good(self, now: datetime) -> bool:
        """Neither revoked nor over."""
        return is_in_force(revoked_at=self.revoked_at, expires_at=self.expires_at, now=now)


def is_in_force(*, revoked_at: datetime | None, expires_at: datetime | None, now: datetime) -> bool:
    """Whether a key is neither revoked nor over."""
    return revoked_at is None and (expires_at is None or now < expires_at)


def rotated_expiry(
    *, created_at: datetime, expires_at: datetime | None, now: datetime
) -> datetime | None:
    """When the successor of a key ends: it lives as long as the old one was meant to."""
    return None if expires_at is None else now + (expires_at - created_at)


def check_key(
    known: KnownKey | None,
    *,
    secret: str,
    address: str | None,
    certificate: str | None,
    now: datetime,
) -> PartnerPrincipal:
    """The partner of this key, shown from this address with this certificate (SHA-256, hex).

    Raises `unauthorized`, `address_not_allowed`, `certificate_required`.
    """
    matches = secret_matches(secret, known.secret_hash if known else _DECOY)
    if known is None or not matches or not known.is_good(now):
        raise unauthorized()
    if known.allowed_networks and not _is_in(address, known.allowed_networks):
        detail = f"The key's list of networks doesn't have {address}. Ask the provider to add it."
        raise ProblemError(ADDRESS_NOT_ALLOWED, detail)
    if known.client_certificate is not None and known.client_certificate != certificate:
        detail = "Show the client certificate that the provider bound to this key, over TLS."
        raise ProblemError(CERTIFICATE_REQUIRED, detail)
    return known.principal


def unauthorized() -> ProblemError:
    """One answer for a key that is missing, unknown, wrong, revoked or over."""
    detail = "Send a key that is in force as `Authorization: Bearer <key>`."
    return ProblemError(UNAUTHORIZED, detail, headers=_CHALLENGE)


def check_scope(principal: PartnerPrincipal, scope: Scope) -> None:
    """Raises `insufficient_scope`."""
    if scope not in principal.scopes:
        detail = f"The key needs the scope {scope}. Ask the provider for one that has it."
        raise ProblemError(INSUFFICIENT_SCOPE, detail)


def check_may_order(principal: PartnerPrincipal) -> None:
    """Raises `partner_blocked`, `orders_closed`."""
    check_not_blocked(principal)
    if principal.state is PartnerState.NO_NEW_ORDERS:
        detail = "The provider takes no new orders from you; what runs can be managed as before."
        raise ProblemError(ORDERS_CLOSED, detail)


def check_may_manage(principal: PartnerPrincipal, kind: CommandKind) -> None:
    """Raises `partner_blocked`, and for an order `orders_closed`."""
    if kind is CommandKind.ORDER:
        check_may_order(principal)
    elif kind not in _WHILE_BLOCKED:
        check_not_blocked(principal)


def check_not_blocked(principal: PartnerPrincipal) -> None:
    """Raises `partner_blocked`."""
    if principal.state is PartnerState.BLOCKED:
        detail = (
            "Only reading, suspending, terminating and cancelling are possible. Ask the provider."
        )
        raise ProblemError(PARTNER_BLOCKED, detail)


def _is_in(address: str | None, networks: Sequence[str]) -> bool:
    """IPv4 in IPv6 counts as IPv4; no address or an unreadable one is in none."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in ipaddress.ip_network(network) for network in networks)
