"""What may need a person, what can be done about it, and the plain words for each problem."""

from collections.abc import Iterator
from enum import StrEnum

from selling_service.reconciliation.rules import MEANINGS
from shared.contract import problems as catalogue
from shared.contract.basics import CommandKind
from shared.kit.desk import DECIDE, MONEY_WORDS, Action, Words


class DeskKind(StrEnum):
    """What it is that needs a person. The id of an account is that of its partner."""

    OPERATION = "operation"
    SERVICE = "service"
    ACCOUNT = "account"
    JOB = "job"
    DIFFERENCE = "difference"


class DeskState(StrEnum):
    """How it stands.

    waiting: it is tried again by itself. stopped: its attempts are used up. failed: it has ended,
    the money is back. parked: set aside for its books. dead: a job without attempts left.
    differs: what reconciliation found, and nobody has decided.
    """

    WAITING = "waiting"
    STOPPED = "stopped"
    FAILED = "failed"
    PARKED = "parked"
    DEAD = "dead"
    DIFFERS = "differs"


# A VM that must not run is stopped, and one that must go goes, however long that takes.
NEVER_GIVEN_UP = frozenset({CommandKind.SUSPEND, CommandKind.TERMINATE})
_OPEN = frozenset({DeskState.WAITING, DeskState.STOPPED})

WORDS: dict[str, Words] = {
    catalogue.UNAVAILABLE.code: Words(
        why="The VM platform is away, busy, or answered nothing that we understand.",
        to_do="Look at the platform. Once it is back this goes on by itself; `retry` hurries it. "
        "`give-up` ends it and gives the money back on both sides.",
    ),
    catalogue.PLATFORM_FULL.code: Words(
        why="The platform had no room for this VM when it was to be built. The money is back.",
        to_do="Free or add capacity and look at the data centre's figures; the reseller orders "
        "again. `dismiss` takes this off the desk.",
    ),
    catalogue.PLATFORM_REFUSED.code: Words(
        why="The platform said no for good: trying the same again is useless.",
        to_do="Read the platform's own words below, mend what they name, and tell the reseller to "
        "ask again. `dismiss` takes this off the desk.",
    ),
    catalogue.PARKED.code: Words(
        why="Its service was set aside while this waited: the books don't agree.",
        to_do="Put the books right and `unpark` the service; this goes on then. `give-up` ends it "
        "and gives the money back on both sides.",
    ),
    catalogue.GIVEN_UP.code: Words(
        why="One of us gave it up; the money is back on both sides.",
        to_do="Nothing is left to do. `dismiss` takes this off the desk.",
    ),
}
_BY_STATE = {
    DeskState.WAITING: Words(
        why="It was begun and couldn't be finished.",
        to_do="It is tried again by itself; `retry` hurries it.",
    ),
    DeskState.STOPPED: Words(
        why="All attempts are used up. Nothing happens until somebody decides.",
        to_do="`retry` gives it all attempts again; `give-up` ends it and gives the money back.",
    ),
    DeskState.FAILED: Words(
        why="It has failed for good; the money is back.",
        to_do="Read the detail and the trail. `dismiss` takes this off the desk.",
    ),
    DeskState.PARKED: Words(
        why="It was set aside: its books don't agree.",
        to_do="Read the detail, put the books right by a correction, then `unpark`.",
    ),
    DeskState.DEAD: Words(
        why="A job of the service itself failed again and again and was put aside.",
        to_do="Read its last error. `retry` gives it all attempts again; `give-up` removes it.",
    ),
    DeskState.DIFFERS: Words(why="Two sets of books don't say the same.", to_do=DECIDE),
}
_SUSPENDING = Words(
    why="A VM that must not run can't be stopped: its platform doesn't do it.",
    to_do="Look at the platform, or stop the VM there by hand. This is tried for as long as it "
    "takes and can't be given up; `retry` hurries it.",
)


def explain(*, kind: str, state: str, what: str, code: str | None) -> Words:
    """The plain words for something on the desk."""
    if kind == DeskKind.DIFFERENCE:
        # A release beside this one may know more kinds.
        meaning = MEANINGS.get(what)
        return Words(why=meaning, to_do=DECIDE) if meaning else _BY_STATE[DeskState.DIFFERS]
    if kind == DeskKind.OPERATION and what in NEVER_GIVEN_UP and state in _OPEN:
        return _SUSPENDING
    if state == DeskState.STOPPED:
        known = WORDS.get(code or "")
        stopped = _BY_STATE[DeskState.STOPPED]
        return Words(why=f"{known.why} {stopped.why}", to_do=stopped.to_do) if known else stopped
    return MONEY_WORDS.get(code or "") or WORDS.get(code or "") or _BY_STATE[DeskState(state)]


def actions_of(*, kind: str, state: str, what: str) -> Iterator[Action]:
    """What can be done about it here."""
    yield Action.HAND_OVER
    if state == DeskState.PARKED:
        yield Action.UNPARK
    elif state == DeskState.FAILED:
        yield Action.DISMISS
    elif state != DeskState.DIFFERS:
        yield Action.RETRY
        if not (kind == DeskKind.OPERATION and what in NEVER_GIVEN_UP):
            yield Action.GIVE_UP
