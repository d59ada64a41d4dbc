"""Tables of services: what is wanted here, and what was heard from the seller."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base
from shared.contract.services import ServiceStatus
from shared.kit.columns import Encrypted


class ClientRef(Base):
    """The random name of a client at one seller; another one at each."""

    __tablename__ = "client_refs"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("sellers.id"), primary_key=True)
    client_ref: Mapped[UUID] = mapped_column(unique=True)


class Service(Base):
    """A service of a client.

    Wanted: `wanted_life` (active, terminated, cancelled), `wanted_power`, and the rows of
    `wanted_suspensions`. Heard: the seller's public state with its revision (`heard`, 0 before the
    first event). `period`, `price` (minor units of `currency` per term, for the client) and
    `auto_renew` are the client's terms; `upstream_max_price` is what the seller may charge for
    another term. Both prices are those of the order's day until staff change them. `renewed_from`
    is the `paid_until` whose renewal was last asked for. `terminated_by` (client, staff) and
    `terminate_when` (now, period_end) belong to the last termination. `order_problem` and
    `renewal_problem` are codes. `hostname_before` is kept while a rename is under way. `parked`
    says which of the seller's events couldn't be applied. While it is set aside for its books
    (`parked_at`; why: `parked_code`, `parked_detail`) only suspensions and ends are sent.
    """

    __tablename__ = "services"
    __table_args__ = (
        UniqueConstraint("seller_id", "service_ref"),
        CheckConstraint("wanted_life IN ('active', 'terminated', 'cancelled')", name="wanted_life"),
        CheckConstraint("wanted_power IN ('running', 'stopped')", name="wanted_power"),
        CheckConstraint("terminated_by IN ('client', 'staff')", name="terminated_by"),
        CheckConstraint("terminate_when IN ('now', 'period_end')", name="terminate_when"),
        CheckConstraint("price >= 0 AND upstream_max_price >= 0", name="price"),
        Index("ix_services_client", "client_id", "id"),
        Index(
            "ix_services_parked",
            "id",
            postgresql_where=text("parked_at IS NOT NULL OR parked IS NOT NULL"),
        ),
        Index(
            "ix_services_to_forget",
            "heard_at",
            postgresql_where=text("forgotten_at IS NULL AND heard_state IN ('deleted', 'failed')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID]
    seller_id: Mapped[UUID] = mapped_column(ForeignKey("sellers.id"))
    tariff_id: Mapped[UUID]
    tariff_name: Mapped[str] = mapped_column(Text)
    service_ref: Mapped[UUID]
    client_ref: Mapped[UUID]
    name: Mapped[str] = mapped_column(Text)
    hostname: Mapped[bytes] = mapped_column(Encrypted)
    hostname_before: Mapped[bytes | None] = mapped_column(Encrypted)
    os: Mapped[str] = mapped_column(Text)
    period: Mapped[str] = mapped_column(Text)
    price: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    upstream_max_price: Mapped[int] = mapped_column(BigInteger)
    auto_renew: Mapped[bool] = mapped_column(default=True)
    wanted_life: Mapped[str] = mapped_column(Text, default="active")
    wanted_power: Mapped[str] = mapped_column(Text, default="running")
    terminated_by: Mapped[str | None] = mapped_column(Text)
    terminate_when: Mapped[str | None] = mapped_column(Text)
    order_problem: Mapped[str | None] = mapped_column(Text)
    heard_revision: Mapped[int] = mapped_column(BigInteger, default=0)
    heard_state: Mapped[str | None] = mapped_column(Text)
    heard_power: Mapped[str | None] = mapped_column(Text)
    heard_paid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    heard: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    heard_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    parked: Mapped[str | None] = mapped_column(Text)
    renewed_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    renewal_problem: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    parked_code: Mapped[str | None] = mapped_column(Text)
    parked_detail: Mapped[str | None] = mapped_column(Text)
    parked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    forgotten_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class WantedSuspension(Base):
    """A reason of ours to keep a service suspended.

    `cause`: client, staff or client_debt. Upstream, staff and client_debt share the actor
    `partner`: the first one sends the suspend, the last one to go sends the resume.
    """

    __tablename__ = "wanted_suspensions"
    __table_args__ = (CheckConstraint("cause IN ('client', 'staff', 'client_debt')", name="cause"),)

    service_id: Mapped[UUID] = mapped_column(ForeignKey("services.id"), primary_key=True)
    cause: Mapped[str] = mapped_column(Text, primary_key=True)
    client_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class SellerCharge(Base):
    """What a seller says that it has charged us for a service, in minor units; one per operation.

    `kind`: order or renewal. `command_id` is null where the provider decided it.
    """

    __tablename__ = "seller_charges"
    __table_args__ = (Index("ix_seller_charges_service", "seller_id", "service_ref"),)

    seller_id: Mapped[UUID] = mapped_column(ForeignKey("sellers.id"), primary_key=True)
    operation_id: Mapped[UUID] = mapped_column(primary_key=True)
    command_id: Mapped[UUID | None]
    service_ref: Mapped[UUID]
    kind: Mapped[str] = mapped_column(Text)
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


def heard_of(service: Service) -> ServiceStatus | None:
    """The seller's last words on this service."""
    return None if service.heard is None else ServiceStatus.model_validate(service.heard)
