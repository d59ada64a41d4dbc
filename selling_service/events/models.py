"""Tables of the feed: one row per partner that hands out numbers, the events, and the webhooks."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base
from shared.kit.columns import Encrypted


class Feed(Base):
    """The head of a partner's feed. Its row lock orders commits: it is the last lock taken."""

    __tablename__ = "feeds"

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    head: Mapped[int] = mapped_column(BigInteger, default=0)


class EventRow(Base):
    """A fact. `body` holds the public state of service and operation as it was then."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_at", "at"),
        Index("ix_events_trace", text("substr(traceparent, 4, 32)")),
    )

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[UUID]
    type: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    installation_id: Mapped[UUID | None]
    client_ref: Mapped[UUID | None]
    service_ref: Mapped[UUID | None]
    operation_id: Mapped[UUID | None]
    command_id: Mapped[UUID | None]
    traceparent: Mapped[str | None] = mapped_column(Text)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)


class WebhookEndpoint(Base):
    """Where an installation wants hints. Secrets are encrypted.

    `old_secret` signs beside `secret` until `old_secret_until`. `state`: active, disabled.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'disabled')", name="state"),
        UniqueConstraint("partner_id", "id"),
        UniqueConstraint("partner_id", "installation_id", "url"),
        ForeignKeyConstraint(
            ["partner_id", "installation_id"], ["installations.partner_id", "installations.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID]
    installation_id: Mapped[UUID]
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[bytes] = mapped_column(Encrypted)
    old_secret: Mapped[bytes | None] = mapped_column(Encrypted)
    old_secret_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    state: Mapped[str] = mapped_column(Text)
    problem: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class WebhookDelivery(Base):
    """One hint: `id` is its `webhook-id` in every attempt. `state`: pending, delivered, failed."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
        ForeignKeyConstraint(
            ["partner_id", "endpoint_id"],
            ["webhook_endpoints.partner_id", "webhook_endpoints.id"],
            ondelete="CASCADE",
        ),
        Index("ix_webhook_deliveries_endpoint", "endpoint_id", "id"),
        Index(
            "uq_webhook_deliveries_pending",
            "endpoint_id",
            unique=True,
            postgresql_where=text("state = 'pending'"),
        ),
        Index("ix_webhook_deliveries_created_at", "created_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID]
    endpoint_id: Mapped[UUID]
    head: Mapped[int] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    status: Mapped[int | None] = mapped_column(Integer)
    problem: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    attempted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    next_attempt_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
