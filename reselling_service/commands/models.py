"""Tables of commands: wishes sent to a seller until it has answered for good."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base
from shared.kit.columns import Encrypted


class Command(Base):
    """A wish. Its id is the Idempotency-Key of every attempt; `body` (encrypted) never changes.

    queued: never sent. unanswered: sent, no answer of ours yet. accepted: the seller has an
    operation for it. cancelling: its deadline passed, the seller is being asked to cancel.
    Ends: succeeded, failed, refused, superseded, cancelled. `hold_id` is the client's money that
    is captured or released with it.
    """

    __tablename__ = "commands"
    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'unanswered', 'accepted', 'cancelling', 'succeeded', 'failed',"
            " 'refused', 'superseded', 'cancelled')",
            name="state",
        ),
        CheckConstraint(
            "(state IN ('queued', 'unanswered', 'accepted', 'cancelling')) = (settled_at IS NULL)",
            name="settled",
        ),
        Index("ix_commands_open", "service_id", postgresql_where=text("settled_at IS NULL")),
        Index("ix_commands_service", "service_id", "id"),
        Index("ix_commands_trace", text("substr(traceparent, 4, 32)")),
        Index(
            "ix_commands_desk",
            "id",
            postgresql_where=text("settled_at IS NULL OR state IN ('failed', 'refused')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("sellers.id"), index=True)
    client_id: Mapped[UUID]
    service_id: Mapped[UUID]
    service_ref: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    asked_by: Mapped[str] = mapped_column(Text)
    path: Mapped[str] = mapped_column(Text)
    body: Mapped[bytes] = mapped_column(Encrypted)
    summary: Mapped[dict[str, Any]] = mapped_column(JSONB)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    hold_id: Mapped[UUID | None]
    deadline_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    operation_id: Mapped[UUID | None]
    operation_state: Mapped[str | None] = mapped_column(Text)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    traceparent: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    settled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Attempt(Base):
    """One sending of a command and what came back. `outcome`: accepted, refused, nothing."""

    __tablename__ = "command_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    command_id: Mapped[UUID] = mapped_column(ForeignKey("commands.id"), index=True)
    client_id: Mapped[UUID]
    number: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    milliseconds: Mapped[int] = mapped_column(Integer)
    status: Mapped[int | None] = mapped_column(Integer)
    code: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    detail: Mapped[str | None] = mapped_column(Text)
    request_id: Mapped[str | None] = mapped_column(Text)
