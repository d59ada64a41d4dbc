"""Tables of partners, their installations and their keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base
from shared.kit.columns import Hashed


class Partner(Base):
    """A reseller as the provider sees it. `state`: active, no_new_orders, blocked."""

    __tablename__ = "partners"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'no_new_orders', 'blocked')", name="state"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, unique=True)
    state: Mapped[str] = mapped_column(Text, default="active")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Installation(Base):
    """One reselling installation of a partner; several may share the partner's account."""

    __tablename__ = "installations"
    __table_args__ = (UniqueConstraint("partner_id", "name"), UniqueConstraint("partner_id", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"))
    name: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PartnerKey(Base):
    """A bearer key. The secret is kept as a hash; `revoked_at` and `expires_at` end it.

    With `client_certificate` (SHA-256, hex) it is good only where that one is shown.
    """

    __tablename__ = "partner_keys"
    __table_args__ = (
        ForeignKeyConstraint(
            ["partner_id", "installation_id"], ["installations.partner_id", "installations.id"]
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"), index=True)
    installation_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    secret_hash: Mapped[bytes] = mapped_column(Hashed)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    allowed_networks: Mapped[list[str]] = mapped_column(ARRAY(Text))
    client_certificate: Mapped[str | None] = mapped_column(Text)
    expires_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
