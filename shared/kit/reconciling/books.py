"""Looks at one side's own books: sums, holds and charges that contradict each other.

Each look is a SELECT of what is wrong, which finds nothing while the books are right. Money is
never put right alone.
"""

from collections.abc import AsyncIterator, Mapping

from sqlalchemy import text

from shared.kit.db import ReadSession
from shared.kit.reconciling.finding import Finding

BOOKS_SCOPE = "books"
_MOST = 100
# By kind: what is wrong in plain words, and the SELECT of a key and both values.
_LOOKS = {
    "books_not_zero": (
        "The entries of each transaction sum to zero: book the missing side by hand.",
        """
        SELECT transaction_id AS key, {tenant} AS owner, sum(amount) AS ours, 0 AS theirs
        FROM entries GROUP BY 1, 2 HAVING sum(amount) <> 0
        """,
    ),
    "books_balance": (
        "The balance is the sum of its entries: find the entry that is missing or doubled.",
        """
        SELECT {tenant} AS key, {tenant} AS owner, b.balance AS ours,
            coalesce(e.total, 0) AS theirs
        FROM balances b LEFT JOIN (
            SELECT {tenant}, sum(amount) AS total FROM entries WHERE book = 'balance' GROUP BY 1
        ) e USING ({tenant}) WHERE b.balance <> coalesce(e.total, 0)
        """,
    ),
    "books_held": (
        "What is held is the sum of the open holds: find the hold that was closed without it.",
        """
        SELECT {tenant} AS key, {tenant} AS owner, b.held AS ours, coalesce(h.total, 0) AS theirs
        FROM balances b LEFT JOIN (
            SELECT {tenant}, sum(amount) AS total FROM holds WHERE state = 'open' GROUP BY 1
        ) h USING ({tenant}) WHERE b.held <> coalesce(h.total, 0)
        """,
    ),
    "books_hold": (
        "A captured hold is charged once, another one never: book the difference by hand.",
        """
        SELECT h.id AS key, h.{tenant} AS owner, h.state || ' ' || h.amount AS ours,
            count(e.id) || ' charges, ' || coalesce(-sum(e.amount), 0) AS theirs
        FROM holds h LEFT JOIN entries e ON e.reference = h.reference
            AND e.book = 'balance' AND e.{tenant} = h.{tenant}
        GROUP BY h.id HAVING NOT (
            h.state = 'captured' AND count(e.id) = 1 AND sum(e.amount) = -h.amount
            OR h.state <> 'captured' AND count(e.id) = 0)
        """,
    ),
}


async def look_at_books(
    session: ReadSession, *, tenant: str, more: Mapping[str, tuple[str, str]] | None = None
) -> AsyncIterator[Finding]:
    """What contradicts itself; at most 100 of each kind. `tenant` is the column of the owner."""
    for kind, (repair, statement) in {**_LOOKS, **(more or {})}.items():
        rows = await session.execute(text(f"{statement.format(tenant=tenant)} LIMIT {_MOST}"))
        for row in rows.mappings():
            yield Finding(
                kind=kind,
                key=str(row["key"]),
                scope=BOOKS_SCOPE,
                refs={"object": row["key"], tenant.removesuffix("_id"): row["owner"]},
                evidence={"ours": str(row["ours"]), "theirs": str(row["theirs"])},
                repair=repair,
            )
