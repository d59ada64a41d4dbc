"""What may be done with a service in which state: tables of data and pure functions.

A wish is judged by the state after all accepted operations will have succeeded (`project`), and
once more by the state it finds when its turn comes (`may_run`).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.contract.basics import Actor, CommandKind, PowerState, ServiceState, TerminateWhen

S = ServiceState
K = CommandKind

# Which commands a state takes. A command outside of its row is `wrong_state`.
ALLOWED: dict[ServiceState, frozenset[CommandKind]] = {
    S.ORDERED: frozenset({K.SUSPEND, K.RESUME, K.TERMINATE}),
    S.PROVISIONING: frozenset({K.SUSPEND, K.RESUME, K.TERMINATE}),
    S.ACTIVE: frozenset(
        {
            K.RENEW,
            K.SUSPEND,
            K.RESUME,
            K.START,
            K.STOP,
            K.RESTART,
            K.RENAME,
            K.TERMINATE,
            K.RESTORE,
        }
    ),
    S.SUSPENDED: frozenset(
        {K.RENEW, K.SUSPEND, K.RESUME, K.STOP, K.RENAME, K.TERMINATE, K.RESTORE}
    ),
    S.TERMINATING: frozenset({K.TERMINATE}),
    S.TERMINATED: frozenset({K.TERMINATE, K.RESTORE}),
    S.DELETED: frozenset({K.TERMINATE}),
    S.FAILED: frozenset({K.TERMINATE}),
}

# Which states an operation must find when its turn comes; otherwise it is superseded.
RUNS_IN: dict[CommandKind, frozenset[ServiceState]] = {
    K.ORDER: frozenset({S.ORDERED, S.PROVISIONING}),
    # Terminated: accepted behind a restore, which it overtakes.
    K.SUSPEND: frozenset({S.ORDERED, S.PROVISIONING, S.ACTIVE, S.SUSPENDED, S.TERMINATED}),
    K.RESUME: frozenset({S.ORDERED, S.PROVISIONING, S.ACTIVE, S.SUSPENDED}),
    K.START: frozenset({S.ACTIVE, S.SUSPENDED}),
    K.STOP: frozenset({S.ACTIVE, S.SUSPENDED}),
    K.RESTART: frozenset({S.ACTIVE}),
    K.RENAME: frozenset({S.ACTIVE, S.SUSPENDED}),
    # Terminated: accepted behind a restore that came to nothing, or waits for staff.
    K.TERMINATE: frozenset(
        {S.ORDERED, S.PROVISIONING, S.ACTIVE, S.SUSPENDED, S.TERMINATING, S.TERMINATED}
    ),
    K.RESTORE: frozenset({S.TERMINATED}),
}

# Steps of `state`; the database's CHECK knows the names, this table knows the ways.
TRANSITIONS: dict[ServiceState, frozenset[ServiceState]] = {
    S.ORDERED: frozenset({S.PROVISIONING, S.FAILED, S.TERMINATING}),
    S.PROVISIONING: frozenset({S.ACTIVE, S.SUSPENDED, S.FAILED, S.TERMINATING}),
    S.ACTIVE: frozenset({S.SUSPENDED, S.TERMINATING}),
    S.SUSPENDED: frozenset({S.ACTIVE, S.TERMINATING}),
    # Back, where the platform refused or the command was cancelled.
    S.TERMINATING: frozenset({S.TERMINATED, S.PROVISIONING, S.ACTIVE, S.SUSPENDED}),
    S.TERMINATED: frozenset({S.ACTIVE, S.SUSPENDED, S.DELETED}),
    S.DELETED: frozenset(),
    S.FAILED: frozenset(),
}

LIVE = frozenset({S.ORDERED, S.PROVISIONING, S.ACTIVE, S.SUSPENDED})
GONE = frozenset({S.DELETED, S.FAILED})
# There is a VM, and no order is at work on it.
BUILT = frozenset({S.ACTIVE, S.SUSPENDED, S.TERMINATED})
# A suspension makes these useless: they are superseded where they still wait.
SUPERSEDED_BY_SUSPEND = frozenset({K.START, K.RESTART, K.RESUME})
# These took effect when they were accepted, so there is nothing left to cancel.
EFFECTIVE_AT_ONCE = frozenset({K.SUSPEND, K.RESUME, K.RENEW})
# An operation is outdone by a later one of its row that has succeeded: it must not run after it.
OUTDONE_BY: dict[CommandKind, frozenset[CommandKind]] = {
    K.START: frozenset({K.START, K.STOP, K.RESTART}),
    K.STOP: frozenset({K.START, K.STOP, K.RESTART}),
    K.RESTART: frozenset({K.START, K.STOP, K.RESTART}),
    K.RENAME: frozenset({K.RENAME}),
}
# While one of these is pending, the clock leaves the service alone and no term is sold.
ENDING = frozenset({K.TERMINATE, K.RESTORE})


class Side(StrEnum):
    """Who speaks: the partner (for itself or its client), the provider's staff, the clock."""

    PARTNER = "partner"
    PROVIDER = "provider"
    CLOCK = "clock"


SIDE_OF: dict[Actor, Side] = {
    Actor.CLIENT: Side.PARTNER,
    Actor.PARTNER: Side.PARTNER,
    Actor.PARTNER_DEBT: Side.CLOCK,
    Actor.EXPIRED: Side.CLOCK,
    Actor.PROVIDER: Side.PROVIDER,
    Actor.ABUSE: Side.PROVIDER,
}


@dataclass(frozen=True, slots=True)
class Pending:
    """An accepted operation that hasn't ended."""

    kind: CommandKind
    when: TerminateWhen = TerminateWhen.NOW


@dataclass(frozen=True, slots=True)
class Outlook:
    """State and wanted power once all that is pending has succeeded."""

    state: ServiceState
    wanted_power: PowerState


def project(
    *,
    state: ServiceState,
    wanted_power: PowerState,
    suspended: bool,
    pending: Iterable[Pending],
) -> Outlook:
    """What the service will be when its pending operations have succeeded."""
    for operation in pending:
        if operation.kind is K.ORDER or operation.kind is K.RESTORE:
            state = S.ACTIVE
        elif operation.kind is K.TERMINATE and operation.when is TerminateWhen.NOW:
            state = S.TERMINATED
        elif operation.kind in {K.START, K.RESTART}:
            wanted_power = PowerState.RUNNING
        elif operation.kind is K.STOP:
            wanted_power = PowerState.STOPPED
    if state in {S.ACTIVE, S.SUSPENDED}:
        state = S.SUSPENDED if suspended else S.ACTIVE
    return Outlook(state, wanted_power)


def may_run(kind: CommandKind, *, state: ServiceState, suspended: bool) -> bool:
    """Whether an operation whose turn has come still makes sense."""
    if state not in RUNS_IN[kind]:
        return False
    return not (suspended and kind in {K.START, K.RESTART})


def settled_state(*, suspended: bool) -> ServiceState:
    """Active, or suspended while at least one suspension stands."""
    return S.SUSPENDED if suspended else S.ACTIVE


def may_restore(*, terminated_by: str | None, side: Side) -> bool:
    """A termination is taken back by the side that ordered it."""
    owner = Side.PROVIDER if terminated_by == Side.PROVIDER else Side.PARTNER
    return owner is side


def running_now(*, suspensions: Collection[str], wanted_power: PowerState) -> bool:
    """Whether the VM shall run."""
    return not suspensions and wanted_power is PowerState.RUNNING
