"""Tables of sellers: where a provider is reached, with which key, and what it said of itself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Integer, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base
from shared.kit.columns import Encrypted


class Seller(Base):
    """A provider whose tariffs are resold.

    `key` is encrypted. `about` is its last `/about`; `clock_offset_ms` is its clock minus ours.
    `link` says how calls went lately: ok, or broken with `link_problem`, since `link_since`. After
    `failures` in a row calls wait until `retry_after`; then one of them goes out as a probe, which
    moves `retry_after` on for as long as a probe may take (the circuit). `hook_id` is our endpoint
    for hints at the seller, `hook_secret` (encrypted) what it signs them with. `tls_authority`
    (PEM) and `tls_pin` (SHA-256) say whom to believe to be it; `tls_certificate` and `tls_key`
    (encrypted) say who we are.
    """

    __tablename__ = "sellers"
    __table_args__ = (CheckConstraint("link IN ('ok', 'broken')", name="link"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    url: Mapped[str] = mapped_column(Text)
    key: Mapped[bytes] = mapped_column(Encrypted)
    key_hint: Mapped[str] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=True)
    installation_id: Mapped[UUID] = mapped_column(unique=True)
    currency: Mapped[str] = mapped_column(Text)
    about: Mapped[dict[str, Any]] = mapped_column(JSONB)
    clock_offset_ms: Mapped[int] = mapped_column(BigInteger, default=0)
    link: Mapped[str] = mapped_column(Text, default="ok")
    link_problem: Mapped[str | None] = mapped_column(Text)
    link_since: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    failures: Mapped[int] = mapped_column(Integer, default=0)
    retry_after: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    hook_id: Mapped[UUID | None]
    hook_secret: Mapped[bytes | None] = mapped_column(Encrypted)
    tls_authority: Mapped[str | None] = mapped_column(Text)
    tls_pin: Mapped[str | None] = mapped_column(Text)
    tls_certificate: Mapped[str | None] = mapped_column(Text)
    tls_key: Mapped[bytes | None] = mapped_column(Encrypted)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class SellerFeed(Base):
    """How far a seller's feed was applied. Its row lock makes one reader apply at a time.

    `mode`: idle, stream, poll, catching_up (through the inventory) or waiting (see `problem`).
    `latency_ms` is what passed between the last event and its being applied.
    """

    __tablename__ = "seller_feeds"

    seller_id: Mapped[UUID] = mapped_column(primary_key=True)
    cursor: Mapped[str | None] = mapped_column(Text)
    number: Mapped[int] = mapped_column(BigInteger, default=0)
    mode: Mapped[str] = mapped_column(Text, default="idle")
    read_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    event_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    latency_ms: Mapped[int | None] = mapped_column(Integer)
    problem: Mapped[str | None] = mapped_column(Text)
