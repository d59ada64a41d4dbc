"""Tables of orders: what a client bought, at which price, and who asked for it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base
from shared.kit.columns import Hashed


class Order(Base):
    """An order. `request_key` makes a repeated click the same order.

    `total` is what the client pays for the first term, in minor units of `currency`. `fingerprint`
    is an HMAC of the request, so that another request under the same key is noticed.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("client_id", "request_key"),
        CheckConstraint("(request_key IS NULL) = (fingerprint IS NULL)", name="request_key"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID] = mapped_column(index=True)
    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"), unique=True)
    command_id: Mapped[UUID] = mapped_column(ForeignKey("commands.id"))
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariffs.id"))
    period: Mapped[str] = mapped_column(Text)
    total: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    request_key: Mapped[str | None] = mapped_column(Text)
    fingerprint: Mapped[bytes | None] = mapped_column(Hashed)
    ordered_by: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
