"""What follows from what is wanted and what was heard of a service; knows no database and no HTTP.

Own suspensions have causes (client, staff, client_debt); at the seller they have actors, of which
`client` and `partner` are ours and the others somebody else's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from shared.contract.basics import (
    Actor,
    CommandKind,
    PartnerActor,
    Period,
    ServiceState,
    SuspensionReason,
)
from shared.contract.services import ServiceStatus

BALANCE_TOO_LOW = "balance_too_low"
GRACE_OVER = "grace_over"


class Cause(StrEnum):
    """Why we keep a service suspended."""

    CLIENT = "client"
    STAFF = "staff"
    CLIENT_DEBT = "client_debt"


class Side(StrEnum):
    """Who at home wishes something."""

    CLIENT = "client"
    STAFF = "staff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who wishes: `side` decides what is allowed, `name` is kept (`client`, `staff:<id>`)."""

    side: Side
    name: str


class Life(StrEnum):
    """What shall become of a service. `cancelled`: its order came to nothing."""

    ACTIVE = "active"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"


class Group(StrEnum):
    """Wishes that answer each other: the last of a group says what is wanted."""

    ORDER = "order"
    RENEWAL = "renewal"
    POWER = "power"
    CLIENT_SUSPENSION = "client_suspension"
    PARTNER_SUSPENSION = "partner_suspension"
    LIFE = "life"
    NAME = "name"


ACTOR_OF = {
    Cause.CLIENT: PartnerActor.CLIENT,
    Cause.STAFF: PartnerActor.PARTNER,
    Cause.CLIENT_DEBT: PartnerActor.PARTNER,
}
# The cause that stands for an actor's suspension of which only the seller knows.
CAUSE_OF = {PartnerActor.CLIENT: Cause.CLIENT, PartnerActor.PARTNER: Cause.STAFF}
ACTOR_OF_GROUP = {
    Group.CLIENT_SUSPENSION: PartnerActor.CLIENT,
    Group.PARTNER_SUSPENSION: PartnerActor.PARTNER,
}
OWN_ACTORS = frozenset(str(actor) for actor in PartnerActor)
GONE = frozenset({ServiceState.TERMINATING, ServiceState.TERMINATED, ServiceState.DELETED})
LIVE = frozenset({ServiceState.ACTIVE, ServiceState.SUSPENDED})
GROUP_KINDS: dict[Group, frozenset[str]] = {
    Group.ORDER: frozenset({CommandKind.ORDER}),
    Group.RENEWAL: frozenset({CommandKind.RENEW}),
    Group.POWER: frozenset({CommandKind.START, CommandKind.STOP, CommandKind.RESTART}),
    Group.CLIENT_SUSPENSION: frozenset({CommandKind.SUSPEND, CommandKind.RESUME}),
    Group.PARTNER_SUSPENSION: frozenset({CommandKind.SUSPEND, CommandKind.RESUME}),
    Group.LIFE: frozenset({CommandKind.TERMINATE, CommandKind.RESTORE}),
    Group.NAME: frozenset({CommandKind.RENAME}),
}


def group_of(kind: str, actor: str | None) -> Group:
    """The group of a command; `actor` is that of a suspend or resume."""
    if kind in GROUP_KINDS[Group.CLIENT_SUSPENSION]:
        client = actor == PartnerActor.CLIENT
        return Group.CLIENT_SUSPENSION if client else Group.PARTNER_SUSPENSION
    return next(group for group, kinds in GROUP_KINDS.items() if kind in kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the reselling side decides. `terminate_when` belongs to the life `terminated`."""

    life: str
    power: str
    causes: frozenset[str]
    terminate_when: str | None

    @property
    def actors(self) -> frozenset[str]:
        """The actors whose suspensions shall stand at the seller."""
        return frozenset(ACTOR_OF[Cause(cause)] for cause in self.causes)


def own_actors(heard: ServiceStatus | None) -> frozenset[str]:
    """Our actors whose suspensions were heard."""
    return frozenset(_actors(heard)) & OWN_ACTORS


def _actors(heard: ServiceStatus | None) -> Iterable[str]:
    return (str(item.actor) for item in heard.suspensions) if heard else ()


def wanted_agrees(wanted: Wanted, heard: ServiceStatus | None) -> bool:
    """Whether the own parts are equal and the rest is explained by others' suspensions."""
    if wanted.life == Life.CANCELLED:
        return heard is None or heard.state in {ServiceState.FAILED, ServiceState.DELETED}
    if heard is None:
        return False
    if wanted.life == Life.TERMINATED:
        scheduled = wanted.terminate_when == "period_end" and heard.terminate_at is not None
        return scheduled or heard.state in {ServiceState.TERMINATED, ServiceState.DELETED}
    if heard.state not in LIVE or heard.terminate_at is not None:
        return False
    if wanted.actors != own_actors(heard) or wanted.power != heard.wanted_power:
        return False
    # A suspension of anybody explains that the VM is stopped, never that it runs.
    return heard.power == ("stopped" if heard.suspensions else wanted.power)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A suspension that keeps the service stopped, in plain words. Names no provider."""

    by: str
    reason: str | None
    text: str

    def shown(self) -> dict[str, str | None]:
        """As it stands in a problem's `blockers`."""
        return {"by": self.by, "reason": self.reason, "text": self.text}


_BLOCKED_BY = {
    Cause.CLIENT: "You suspended it; resume it first.",
    Cause.STAFF: "We suspended it; please contact us.",
    Cause.CLIENT_DEBT: "It is suspended because of an unpaid balance.",
    Actor.PROVIDER: "The provider of the servers suspended it.",
    Actor.ABUSE: "The provider of the servers suspended it because of a report of abuse.",
    Actor.EXPIRED: "The paid term is over; renew it.",
    Actor.PARTNER_DEBT: "The provider of the servers suspended it.",
}
# What we owe the provider is nothing that a client should read of.
_SHOWN_AS = {Actor.PARTNER_DEBT: Actor.PROVIDER}


def find_blockers(own: Iterable[tuple[str, str]], heard: ServiceStatus | None) -> list[Blocker]:
    """Suspensions that stand: own ones (cause, reason) as wanted, others' as heard."""
    found = [Blocker(by=by, reason=reason, text=_words(by)) for by, reason in sorted(own)]
    for item in heard.suspensions if heard else ():
        if item.actor not in OWN_ACTORS:
            hidden = item.actor in _SHOWN_AS
            reason = SuspensionReason.OTHER if hidden else item.reason
            by = _SHOWN_AS.get(Actor(item.actor), item.actor) if hidden else item.actor
            found.append(Blocker(by=str(by), reason=str(reason), text=_words(str(item.actor))))
    return found


def _words(by: str) -> str:
    return {str(key): text for key, text in _BLOCKED_BY.items()}.get(
        by, "It is suspended; please contact us."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalTimes:
    """When a term is renewed: `ahead` of its end, again every `retry`, until `grace` after it."""

    ahead: timedelta
    retry: timedelta
    grace: timedelta


_HOURLY = RenewalTimes(
    ahead=timedelta(minutes=15), retry=timedelta(minutes=5), grace=timedelta(hours=6)
)
# Two hours of a day's term: enough for several tries, little enough to be paid for in advance.
_DAILY = RenewalTimes(
    ahead=timedelta(hours=2), retry=timedelta(minutes=15), grace=timedelta(days=2)
)
_LONGER = RenewalTimes(ahead=timedelta(hours=24), retry=timedelta(hours=1), grace=timedelta(days=7))
_TIMES = {Period.HOUR: _HOURLY, Period.DAY: _DAILY}


def renewal_times(period: str) -> RenewalTimes:
    """The times for terms of this length."""
    return _TIMES.get(Period(period), _LONGER)


def renewal_due(period: str, paid_until: datetime, *, offset: timedelta) -> datetime:
    """When to renew, by our clock; `offset` is the seller's clock minus ours."""
    return paid_until - renewal_times(period).ahead - offset


def may_renew_itself(heard: ServiceStatus | None) -> bool:
    """Whether a term may follow without being asked for.

    Active, or stopped by nobody but its end or its own client, who pays for keeping it. What we
    or the provider suspended isn't prolonged at the client's cost.
    """
    if heard is None or heard.terminate_at is not None or heard.state not in LIVE:
        return False
    return set(_actors(heard)) <= {Actor.EXPIRED, Actor.CLIENT}


class ShownState(StrEnum):
    """Where a service stands, as its client is told."""

    WAITING = "waiting"
    BUILDING = "building"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDING = "ending"
    TERMINATED = "terminated"
    DELETED = "deleted"
    CANCELLED = "cancelled"


_SHOWN_STATES = {
    ServiceState.ORDERED: ShownState.BUILDING,
    ServiceState.PROVISIONING: ShownState.BUILDING,
    ServiceState.TERMINATING: ShownState.ENDING,
    ServiceState.TERMINATED: ShownState.TERMINATED,
    ServiceState.DELETED: ShownState.DELETED,
    ServiceState.FAILED: ShownState.CANCELLED,
}
_STATE_WORDS = {
    ShownState.WAITING: "It was ordered and waits to be built.",
    ShownState.BUILDING: "It is being built.",
    ShownState.ACTIVE: "It is active.",
    ShownState.SUSPENDED: "It is suspended.",
    ShownState.ENDING: "It is being ended.",
    ShownState.TERMINATED: "It was ended.",
    ShownState.DELETED: "It was deleted.",
    ShownState.CANCELLED: "The order came to nothing; the money set aside for it is free again.",
}
_ORDER_WORDS = {
    "out_of_stock": "It is sold out at the moment.",
    "no_capacity": "It is sold out at the moment.",
    "platform_full": "It is sold out at the moment.",
    "tariff_unavailable": "It isn't sold any more.",
    "cancelled": "It took too long and was cancelled.",
}


def client_state(wanted: Wanted, heard: ServiceStatus | None, *, suspended: bool) -> ShownState:
    """The state that is told to the client."""
    if wanted.life == Life.CANCELLED:
        return ShownState.CANCELLED
    if heard is not None and heard.state not in LIVE:
        return next(
            (shown for state, shown in _SHOWN_STATES.items() if state == heard.state),
            ShownState.BUILDING,
        )
    if wanted.life == Life.TERMINATED and wanted.terminate_when == "now":
        return ShownState.ENDING
    if heard is None:
        return ShownState.WAITING
    return ShownState.SUSPENDED if suspended else ShownState.ACTIVE


def state_words(state: ShownState, heard: ServiceStatus | None, blockers: Iterable[Blocker]) -> str:
    """The state in plain words."""
    words = [_STATE_WORDS[state]]
    if state is ShownState.SUSPENDED:
        words += [blocker.text for blocker in blockers]
    if heard is not None and heard.terminate_at is not None and heard.state in LIVE:
        words.append(f"It ends on {heard.terminate_at:%Y-%m-%d %H:%M} UTC.")
    if state is ShownState.TERMINATED and heard is not None and heard.delete_at is not None:
        words.append(f"Its data is kept until {heard.delete_at:%Y-%m-%d %H:%M} UTC.")
    return " ".join(words)


def order_words(code: str | None) -> str | None:
    """Why an order came to nothing, without the provider's affairs."""
    if code is None:
        return None
    return _ORDER_WORDS.get(code, "It couldn't be carried out. Please contact us.")


def renewal_words(code: str | None) -> str | None:
    """Why a service wasn't renewed, without the provider's affairs."""
    if code is None:
        return None
    if code == BALANCE_TOO_LOW:
        return "Your balance doesn't cover the renewal. Top up, and it is tried again."
    if code == GRACE_OVER:
        return "It wasn't renewed in time and is no longer tried by itself. Renew it by hand."
    return "It couldn't be renewed yet. We are looking into it."
