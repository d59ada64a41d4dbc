"""What can be done at a desk, and the plain words for what is wrong with money."""

from dataclasses import dataclass
from enum import StrEnum

from shared.kit.bookkeeping.faults import MoneyFault


class Action(StrEnum):
    """What can be done at the desk."""

    RETRY = "retry"
    GIVE_UP = "give-up"
    HAND_OVER = "hand-over"
    DISMISS = "dismiss"
    UNPARK = "unpark"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A problem in plain words: what it means, and what to do about it."""

    why: str
    to_do: str


# Where people decide about what reconciliation found.
DECIDE = (
    "Compare both sides' values at `GET …/reconciliation/differences/{id}`, then decide there: "
    "`adopt`, `undo` (where offered) or `ignore`, with a reason."
)
_BOOKS = (
    "Compare the statement with what was done, book a correction where money is wrong, and report "
    "the trail to the developers. Then `unpark`: it is refused while the books still don't agree."
)
MONEY_WORDS: dict[str, Words] = {
    MoneyFault.ENTRIES_UNBALANCED: Words(
        why="The two sides of a posting don't sum to zero: money came from or went nowhere.",
        to_do=_BOOKS,
    ),
    MoneyFault.BALANCE_DIFFERS: Words(
        why="The balance isn't the sum of its postings.",
        to_do=_BOOKS,
    ),
    MoneyFault.HELD_DIFFERS: Words(
        why="The money that is set aside isn't the sum of the open holds.",
        to_do=_BOOKS,
    ),
    MoneyFault.HOLD_WITHOUT_WORK: Words(
        why="Money is set aside for something that has ended, or that never was.",
        to_do=_BOOKS,
    ),
    MoneyFault.WORK_WITHOUT_HOLD: Words(
        why="Something is under way whose money is no longer set aside.",
        to_do="`give-up` what is under way, or wait for its end. " + _BOOKS,
    ),
    MoneyFault.TERM_WITHOUT_CHARGE: Words(
        why="A term was given that was never charged.",
        to_do=_BOOKS,
    ),
    MoneyFault.CHARGED_TWICE: Words(
        why="More was charged than was given: one thing was charged twice.",
        to_do=_BOOKS,
    ),
}
