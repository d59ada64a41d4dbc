"""Double-entry books for one kind of owner: balances, holds, transactions that sum to zero."""

from shared.kit.bookkeeping.books import Books, Posting
from shared.kit.bookkeeping.starting import OtherCurrency, check_currency
from shared.kit.bookkeeping.tables import (
    MOST,
    BalanceColumns,
    Book,
    EntryColumns,
    HoldColumns,
    HoldState,
    floor_trigger,
    zero_sum_trigger,
)

__all__ = [
    "MOST",
    "BalanceColumns",
    "Book",
    "Books",
    "EntryColumns",
    "HoldColumns",
    "HoldState",
    "OtherCurrency",
    "Posting",
    "check_currency",
    "floor_trigger",
    "zero_sum_trigger",
]
