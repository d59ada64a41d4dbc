"""The columns of runs and of differences, declared by each service."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, CheckConstraint, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

RECONCILE_JOB = "reconcile"
# Of a difference `d`: nobody has decided, and it doesn't go away without people.
NEEDS_PEOPLE = """d.gone_at IS NULL AND d.decision IS NULL
    AND (NOT d.safe OR d.tried_at < d.last_seen_at)"""


class RunColumns:
    """One comparison of everything. `asked_by`: schedule, cli, or `staff:<id>`.

    `counts` holds how much was compared and found; `problem` what couldn't be compared, and why.
    """

    __tablename__ = "reconciliation_runs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    state: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    problem: Mapped[str | None] = mapped_column(Text)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        states = "state IN ('asked', 'running', 'done', 'incomplete')"
        return (CheckConstraint(states, name="state"),)


class DifferenceColumns:
    """One difference over all runs that saw it, from `first_seen_at` until `gone_at`.

    `tried_at`: its repair was begun without people, which happens once. `decision` with who, when
    and why is the desk's.
    """

    __tablename__ = "reconciliation_differences"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    key: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    refs: Mapped[dict[str, Any]] = mapped_column(JSONB)
    evidence: Mapped[dict[str, Any]] = mapped_column(JSONB)
    repair: Mapped[str] = mapped_column(Text)
    safe: Mapped[bool] = mapped_column(Boolean)
    ways: Mapped[list[str]] = mapped_column(ARRAY(Text))
    first_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_run_id: Mapped[UUID]
    tried_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    decision: Mapped[str | None] = mapped_column(Text)
    decided_by: Mapped[str | None] = mapped_column(Text)
    decided_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    reason: Mapped[str | None] = mapped_column(Text)
    gone_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        return (
            CheckConstraint("decision IN ('adopt', 'undo', 'ignore')", name="decision"),
            CheckConstraint(
                "(decision IS NULL) = (decided_at IS NULL)"
                " AND (decision IS NULL) = (decided_by IS NULL)",
                name="decided",
            ),
            Index(
                "uq_reconciliation_differences_open",
                "kind",
                "key",
                unique=True,
                postgresql_where=text("gone_at IS NULL"),
            ),
        )


@dataclass(frozen=True, slots=True)
class Desk:
    """The tables of one service."""

    runs: type[RunColumns]
    differences: type[DifferenceColumns]
