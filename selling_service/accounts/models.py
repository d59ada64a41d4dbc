"""Tables of accounts: the anonymous stand-in of a client, and its user on each platform."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, ForeignKeyConstraint, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base


class Account(Base):
    """One client of one partner, known by a random `client_ref` only."""

    __tablename__ = "accounts"
    __table_args__ = (
        UniqueConstraint("partner_id", "client_ref"),
        UniqueConstraint("partner_id", "id"),
        ForeignKeyConstraint(
            ["partner_id", "installation_id"], ["installations.partner_id", "installations.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"))
    installation_id: Mapped[UUID]
    client_ref: Mapped[UUID]
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PlatformUser(Base):
    """This account has its user on this platform; the user is named by the account's id."""

    __tablename__ = "platform_users"
    __table_args__ = (
        ForeignKeyConstraint(
            ["partner_id", "account_id"],
            ["accounts.partner_id", "accounts.id"],
            ondelete="CASCADE",
        ),
    )

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    platform: Mapped[str] = mapped_column(Text, primary_key=True)
    partner_id: Mapped[UUID]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
