"""The columns of the tables `jobs` and `workers`, which each service declares on its own base."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    Identity,
    Index,
    Integer,
    SmallInteger,
    text,
)
from sqlalchemy import Text as TextType
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

URGENT = 10
NORMAL = 100
# Jobs with as many attempts as this are never given up: who made them waits for no person.
NEVER_GIVEN_UP = 10**6
# A job that has taken its worker along so often is worked on alone, and then no longer.
CRASHES_UNTIL_ALONE = 3
CRASHES_UNTIL_SET_ASIDE = 5


class JobColumns:
    """A job. `lane` names what must be done one after another, by priority, then by id.

    A `priority` below `NORMAL` is urgent: such jobs are claimed before all others.
    `ready` may be claimed from `run_at` on, `running` is claimed by `worker` until `lease_until`,
    `dead` has used up its attempts and waits for a person. Done jobs are deleted. `crashes` counts
    the workers that ended or froze while they worked on it.
    """

    __tablename__ = "jobs"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    kind: Mapped[str] = mapped_column(TextType)
    lane: Mapped[UUID | None]
    priority: Mapped[int] = mapped_column(SmallInteger, default=NORMAL)
    tenant_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    dedupe_key: Mapped[str | None] = mapped_column(TextType, unique=True)
    state: Mapped[str] = mapped_column(TextType, default="ready")
    run_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    again_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    attempts: Mapped[int] = mapped_column(default=0)
    claims: Mapped[int] = mapped_column(BigInteger, default=0)
    max_attempts: Mapped[int]
    crashes: Mapped[int] = mapped_column(SmallInteger, default=0, server_default=text("0"))
    worker: Mapped[int | None] = mapped_column(Integer)
    lease_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    last_error: Mapped[str | None] = mapped_column(TextType)
    traceparent: Mapped[str | None] = mapped_column(TextType)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        return (
            CheckConstraint("state IN ('ready', 'running', 'dead')", name="state"),
            CheckConstraint(
                "(state = 'running') = (worker IS NOT NULL AND lease_until IS NOT NULL)",
                name="claimed",
            ),
            Index("ix_jobs_due", "run_at", "id", postgresql_where=text("state = 'ready'")),
            Index(
                "ix_jobs_urgent",
                "priority",
                "run_at",
                "id",
                postgresql_where=text(f"state = 'ready' AND priority < {NORMAL}"),
            ),
            Index("ix_jobs_lane", "lane", "priority", "id"),
            # Two workers may never hold one lane, whatever their snapshots showed them.
            Index(
                "uq_jobs_running_lane",
                "lane",
                unique=True,
                postgresql_where=text("state = 'running'"),
            ),
            Index(
                "ix_jobs_suspect",
                "run_at",
                postgresql_where=text(f"crashes >= {CRASHES_UNTIL_ALONE}"),
            ),
            Index("ix_jobs_dead", "id", postgresql_where=text("state = 'dead'")),
            Index("ix_jobs_claimed", "lease_until", postgresql_where=text("state = 'running'")),
        )


class WorkerColumns:
    """A worker process that was seen alive; `/readyz` looks here."""

    __tablename__ = "workers"

    worker: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
