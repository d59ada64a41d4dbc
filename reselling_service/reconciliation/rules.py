"""Kinds of differences between us and a seller, their words, and what may be done. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from reselling_service.services.rules import Wanted
from shared.contract.inventory import ChargeLine, RangeDigest
from shared.contract.services import InventoryItem, ServiceStatus
from shared.kit.reconciling import LIST_AT_MOST, PREFIX_LENGTHS, Finding, Way


class Kind(StrEnum):
    """What can be different between our books and a seller's."""

    HEARD_OTHER = "heard_other"
    SELLER_WENT_BACK = "seller_went_back"
    OTHER_CLIENT = "other_client"
    UNKNOWN_HERE = "unknown_here"
    UNKNOWN_THERE = "unknown_there"
    ENDED_UNKNOWN_THERE = "ended_unknown_there"
    NOT_AS_WANTED = "not_as_wanted"
    CANCELLED_BUT_LIVES = "cancelled_but_lives"
    COMMAND_UNANSWERED = "command_unanswered"
    CHARGE_UNKNOWN_HERE = "charge_unknown_here"
    CHARGE_UNKNOWN_THERE = "charge_unknown_there"
    CHARGE_AMOUNT = "charge_amount"


_DESK = {
    Kind.UNKNOWN_HERE: (Way.ADOPT, Way.UNDO),
    Kind.UNKNOWN_THERE: (Way.ADOPT, Way.UNDO),
    Kind.NOT_AS_WANTED: (Way.ADOPT, Way.UNDO),
    Kind.CANCELLED_BUT_LIVES: (Way.ADOPT, Way.UNDO),
    Kind.CHARGE_UNKNOWN_HERE: (Way.ADOPT,),
    Kind.CHARGE_UNKNOWN_THERE: (Way.ADOPT, Way.UNDO),
    Kind.CHARGE_AMOUNT: (Way.ADOPT,),
}
MEANINGS: dict[str, str] = {
    Kind.HEARD_OTHER: "The seller says of a service what we haven't heard.",
    Kind.SELLER_WENT_BACK: "The seller knows less of a service than it once told us.",
    Kind.OTHER_CLIENT: "The seller has a service of ours under another client's random name.",
    Kind.UNKNOWN_HERE: "The seller has a service, and charges us for it, that we don't know.",
    Kind.UNKNOWN_THERE: "The seller doesn't know a service that a client of ours has.",
    Kind.ENDED_UNKNOWN_THERE: "The seller doesn't know a service that has ended here.",
    Kind.NOT_AS_WANTED: "A service isn't as we want it, and nothing is on its way.",
    Kind.CANCELLED_BUT_LIVES: "An order that was cancelled here lives on at the seller.",
    Kind.COMMAND_UNANSWERED: "A command was answered by the seller, and we don't know the answer.",
    Kind.CHARGE_UNKNOWN_HERE: "The seller has charged us for what no client was charged for.",
    Kind.CHARGE_UNKNOWN_THERE: "A client was charged for what the seller hasn't charged us for.",
    Kind.CHARGE_AMOUNT: "The seller has charged us another amount than our books say.",
}
REPAIRS = {
    Kind.HEARD_OTHER: "Read the service again: an event of it was lost.",
    Kind.SELLER_WENT_BACK: "Take the seller's word: it was restored from a backup.",
    Kind.OTHER_CLIENT: "Ask the seller: the service stands under another client's random name.",
    Kind.UNKNOWN_HERE: "Adopt: name the client whose it is. Undo: it is terminated at the seller "
    "when the grace is over.",
    Kind.UNKNOWN_THERE: "Adopt: order it again without charging the client; its VM is found again. "
    "Undo: give it up.",
    Kind.ENDED_UNKNOWN_THERE: "Nothing: it has ended, and the seller has forgotten it.",
    Kind.NOT_AS_WANTED: "Adopt: want it as the seller has it. Undo: send the wish again.",
    Kind.CANCELLED_BUT_LIVES: "Adopt: keep it for the client. Undo: terminate it.",
    Kind.COMMAND_UNANSWERED: "Look the command up at the seller.",
    Kind.CHARGE_UNKNOWN_HERE: "Adopt: charge the client at our price, and take the seller's charge "
    "into our books.",
    Kind.CHARGE_UNKNOWN_THERE: "Adopt: renew again at the seller without charging the client. "
    "Undo: give the client the money back.",
    Kind.CHARGE_AMOUNT: "Adopt: take the seller's amount into our books.",
}
GIVE_BACK = "Undo: give the client the money back."


def ways_of(kind: Kind) -> tuple[Way, ...]:
    """What the desk may decide besides ignoring."""
    return _DESK.get(kind, ())


def seller_scope(seller_id: UUID) -> str:
    """The comparison with one seller."""
    return f"seller:{seller_id}"


def difference_key(seller_id: UUID, key: UUID) -> str:
    """What a difference with a seller is known by, beside its kind."""
    return f"{seller_id}/{key}"


def finding(
    kind: Kind,
    *,
    key: UUID,
    seller_id: UUID,
    refs: Mapping[str, UUID | str | None],
    ours: Any,  # noqa: ANN401 - whatever JSON can say
    theirs: Any,  # noqa: ANN401
    safe: bool = False,
    repair: str | None = None,
) -> Finding:
    """A difference with a seller."""
    return Finding(
        kind=kind,
        key=difference_key(seller_id, key),
        scope=seller_scope(seller_id),
        refs={"seller": seller_id, **refs},
        evidence={"ours": ours, "theirs": theirs},
        repair=repair or REPAIRS[kind],
        safe=safe,
        ways=ways_of(kind),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What the digest of a service is made of."""

    service_ref: UUID
    client_ref: UUID
    revision: int
    state: str | None
    power: str | None
    paid_until: datetime | None
    suspended_by: tuple[str, ...]


def line_of(item: InventoryItem) -> Line:
    """A line of the seller's inventory as ours are."""
    return Line(
        service_ref=item.service_ref,
        client_ref=item.client_ref,
        revision=item.revision,
        state=str(item.state),
        power=str(item.power),
        paid_until=item.paid_until,
        suspended_by=tuple(sorted(item.suspended_by)),
    )


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges that differ: those to be listed, and those to be cut again."""

    listed: tuple[str, ...]
    cut: tuple[str, ...]


def differing(ours: Iterable[RangeDigest], theirs: Iterable[RangeDigest]) -> Ranges:
    """The ranges whose digests differ, by how they are looked into."""
    own = {each.prefix: each for each in ours}
    its = {each.prefix: each for each in theirs}
    listed: list[str] = []
    cut: list[str] = []
    for prefix in sorted(own.keys() | its.keys()):
        one, other = own.get(prefix), its.get(prefix)
        if one == other:
            continue
        most = max(each.count for each in (one, other) if each is not None)
        small = most <= LIST_AT_MOST or len(prefix) > PREFIX_LENGTHS[-1]
        (listed if small else cut).append(prefix)
    return Ranges(tuple(listed), tuple(cut))


def told(status: ServiceStatus | None) -> dict[str, Any] | None:
    """What a report shows of a service that a seller speaks of."""
    if status is None:
        return None
    return {
        "revision": status.revision,
        "state": str(status.state),
        "power": str(status.power),
        "wanted_power": str(status.wanted_power),
        "suspended_by": sorted(str(item.actor) for item in status.suspensions),
        "paid_until": status.paid_until.isoformat() if status.paid_until else None,
        "terminate_at": status.terminate_at.isoformat() if status.terminate_at else None,
    }


def wanted_words(wanted: Wanted) -> dict[str, Any]:
    """What a report shows of what we want."""
    return {
        "life": wanted.life,
        "power": wanted.power,
        "suspended_by": sorted(wanted.actors),
        "terminate_when": wanted.terminate_when,
    }


def charge_words(line: ChargeLine | None) -> dict[str, Any] | None:
    """What a report shows of a charge."""
    if line is None:
        return None
    return {
        "operation": str(line.operation_id),
        "command": str(line.command_id) if line.command_id else None,
        "kind": line.kind,
        "amount": line.amount.amount,
        "currency": line.amount.currency,
        "at": line.at.isoformat(),
    }
