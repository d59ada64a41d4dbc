"""Finds money that contradicts itself, inside one database; repairs nothing.

Every statement sees one snapshot, in which a posting and its balance, a hold and its command were
committed together: what it finds is wrong, not under way.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import text

from shared.kit.db import ReadSession


class MoneyFault(StrEnum):
    """In which way money contradicts itself. Codes are frozen."""

    ENTRIES_UNBALANCED = "entries_unbalanced"
    BALANCE_DIFFERS = "balance_differs"
    HELD_DIFFERS = "held_differs"
    HOLD_WITHOUT_WORK = "hold_without_work"
    WORK_WITHOUT_HOLD = "work_without_hold"
    TERM_WITHOUT_CHARGE = "term_without_charge"
    CHARGED_TWICE = "charged_twice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Whose money, of which service (None: of the account itself), what is wrong, and evidence.

    The evidence of the same fault stays the same words, so that people can settle it by hand.
    """

    owner: UUID
    service_id: UUID | None
    fault: MoneyFault
    evidence: str


def account_statement(tenant: str) -> str:
    """SQL for accounts whose own sums are wrong; `:owner` narrows it to one, `:limit` bounds it.

    `tenant` is the column that names the owner. Columns: owner, service_id, fault, evidence.
    """
    mine = f"(cast(:owner AS uuid) IS NULL OR {tenant} = :owner)"
    return f"""
    (SELECT e.{tenant} AS owner, NULL::uuid AS service_id, 'entries_unbalanced' AS fault,
            'transaction ' || e.transaction_id || ' sums to ' || sum(e.amount) AS evidence
     FROM entries e WHERE {mine}
     GROUP BY e.{tenant}, e.transaction_id HAVING sum(e.amount) <> 0 LIMIT :limit)
    UNION ALL
    (SELECT b.{tenant}, NULL, 'balance_differs',
            'the balance is ' || b.balance - coalesce(s.total, 0) || ' above its postings'
     FROM balances b LEFT JOIN (
         SELECT {tenant}, sum(amount) AS total FROM entries
         WHERE book = 'balance' AND {mine} GROUP BY {tenant}
     ) s USING ({tenant})
     WHERE {mine.replace(tenant, f"b.{tenant}")} AND b.balance <> coalesce(s.total, 0) LIMIT :limit)
    UNION ALL
    (SELECT b.{tenant}, NULL, 'held_differs',
            b.held - coalesce(s.total, 0) || ' more is set aside than there are open holds'
     FROM balances b LEFT JOIN (
         SELECT {tenant}, sum(amount) AS total FROM holds
         WHERE state = 'open' AND {mine} GROUP BY {tenant}
     ) s USING ({tenant})
     WHERE {mine.replace(tenant, f"b.{tenant}")} AND b.held <> coalesce(s.total, 0) LIMIT :limit)
    """  # noqa: S608 - the column's name is written in the code


async def find_faults(
    session: ReadSession,
    statement: str,
    *,
    owner: UUID | None = None,
    service_id: UUID | None = None,
    limit: int = 200,
) -> Sequence[Finding]:
    """What a statement finds wrong, of everybody, of one owner, or of one service."""
    values = {"owner": owner, "service_id": service_id, "limit": limit}
    rows = await session.execute(text(statement), values)
    return [
        Finding(
            owner=row.owner,
            service_id=row.service_id,
            fault=MoneyFault(row.fault),
            evidence=row.evidence,
        )
        for row in rows
    ]


Faults = dict[tuple[str, UUID], list[Finding]]


def by_subject(findings: Iterable[Finding]) -> Faults:
    """What is to be parked for which findings: (`service` or `account`, id)."""
    found: Faults = defaultdict(list)
    for item in findings:
        kind = "account" if item.service_id is None else "service"
        found[kind, item.service_id or item.owner].append(item)
    return found


def evidence_of(findings: Iterable[Finding]) -> str:
    """The evidence of several findings; the same findings give the same words."""
    return "; ".join(sorted(item.evidence for item in findings))[:1000]
