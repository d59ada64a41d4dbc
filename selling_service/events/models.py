"""Tables of the feed: one row per partner that hands out numbers, and the events."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base


class Feed(Base):
    """The head of a partner's feed. Its row lock orders commits: it is the last lock taken."""

    __tablename__ = "feeds"

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    head: Mapped[int] = mapped_column(BigInteger, default=0)


class EventRow(Base):
    """A fact. `body` holds the public state of service and operation as it was then."""

    __tablename__ = "events"
    __table_args__ = (Index("ix_events_at", "at"),)

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
