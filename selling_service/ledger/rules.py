"""What staff may book by hand, and which way the money goes. Knows no database."""

from enum import StrEnum


class ByHand(StrEnum):
    """Kinds of postings that staff make."""

    TOP_UP = "top_up"
    PAY_OUT = "pay_out"
    CORRECTION = "correction"


def signed(kind: ByHand, amount: int) -> int:
    """Return what is added to the balance: a pay-out takes away, a correction has its own sign."""
    return -amount if kind is ByHand.PAY_OUT else amount
