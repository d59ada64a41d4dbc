"""Tables of the reseller's tariffs: imported from a seller, under own names and prices."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Integer,
    Numeric,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base


class Tariff(Base):
    """A seller's tariff as sold here. `upstream` is the seller's last description of it."""

    __tablename__ = "tariffs"
    __table_args__ = (
        UniqueConstraint("seller_id", "upstream_id"),
        CheckConstraint("markup_percent >= 0", name="markup_percent"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("sellers.id"))
    upstream_id: Mapped[UUID]
    upstream_version: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)
    enabled: Mapped[bool] = mapped_column(default=False)
    withdrawn: Mapped[bool] = mapped_column(default=False)
    markup_percent: Mapped[Decimal] = mapped_column(Numeric(7, 2))
    currency: Mapped[str] = mapped_column(Text)
    os_templates: Mapped[list[str]] = mapped_column(ARRAY(Text))
    upstream: Mapped[dict[str, Any]] = mapped_column(JSONB)
    imported_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class TariffPrice(Base):
    """What one period costs the client, and what the seller charges, in minor units."""

    __tablename__ = "tariff_prices"
    __table_args__ = (CheckConstraint("price >= 0 AND setup_fee >= 0", name="price"),)

    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariffs.id"), primary_key=True)
    period: Mapped[str] = mapped_column(Text, primary_key=True)
    price: Mapped[int] = mapped_column(BigInteger)
    setup_fee: Mapped[int] = mapped_column(BigInteger)
    upstream_price: Mapped[Decimal] = mapped_column(Numeric(20, 6))
    upstream_setup_fee: Mapped[Decimal] = mapped_column(Numeric(20, 6))
