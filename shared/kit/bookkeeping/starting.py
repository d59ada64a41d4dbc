"""Keeps a process from starting on balances in another currency than it is set to count in."""

from typing import Any

import structlog

from shared.kit.bookkeeping.books import Books
from shared.kit.db import DATABASE_AWAY, Database

_log = structlog.get_logger(__name__)


class OtherCurrency(Exception):
    """The setting was changed after the first money."""


async def check_currency(database: Database, books: Books[Any, Any, Any]) -> None:
    """Raise OtherCurrency where there are balances in another currency than the house's.

    A database that can't be asked yet keeps nobody from starting: each posting is checked as well.
    """
    try:
        async with database.read() as session:
            others = await books.currencies(session) - {session.currency}
    except DATABASE_AWAY as error:
        _log.warning("currency.unchecked", error=type(error).__name__)
        return
    if others:
        raise OtherCurrency(
            f"There are balances in {', '.join(sorted(others))}, but this service is set to count"
            f" in {database.context.currency}. Set its variable …_CURRENCY back: what is owed"
            " stays in the currency in which it was booked."
        )
