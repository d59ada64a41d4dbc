"""Tables of what is for sale: platforms, data centres, OS templates, tariffs, prices, offers."""

from datetime import datetime
from decimal import Decimal
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
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base


class PlatformRow(Base):
    """A platform and the counter of its capacity: one, however many data centres are on it.

    Totals and `capabilities` are refreshed from the driver, null until it was asked for the first
    time; `*_used` is what our services have reserved.
    """

    __tablename__ = "platforms"
    __table_args__ = (
        CheckConstraint("vms_used >= 0 AND vcpu_used >= 0", name="used"),
        CheckConstraint("ram_mib_used >= 0 AND disk_gib_used >= 0", name="used_sizes"),
    )

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    vms: Mapped[int] = mapped_column(Integer, default=0)
    vms_used: Mapped[int] = mapped_column(Integer, default=0)
    vcpu: Mapped[int] = mapped_column(Integer, default=0)
    vcpu_used: Mapped[int] = mapped_column(Integer, default=0)
    ram_mib: Mapped[int] = mapped_column(BigInteger, default=0)
    ram_mib_used: Mapped[int] = mapped_column(BigInteger, default=0)
    disk_gib: Mapped[int] = mapped_column(BigInteger, default=0)
    disk_gib_used: Mapped[int] = mapped_column(BigInteger, default=0)
    refreshed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    capabilities: Mapped[list[str] | None] = mapped_column(ARRAY(Text))


class DataCenter(Base):
    """A place where VMs live, on a platform that it may share with other places."""

    __tablename__ = "data_centers"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(Text, unique=True)
    title: Mapped[str] = mapped_column(Text)
    platform: Mapped[str] = mapped_column(ForeignKey("platforms.name"))
    open: Mapped[bool] = mapped_column(default=True)


class OSTemplateRow(Base):
    """An operating system; `image` is its name on the platform."""

    __tablename__ = "os_templates"

    code: Mapped[str] = mapped_column(Text, primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    image: Mapped[str] = mapped_column(Text)


class Tariff(Base):
    """Something sold under one code. `stock` is what may still be sold; null: not counted."""

    __tablename__ = "tariffs"
    __table_args__ = (CheckConstraint("stock >= 0", name="stock"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(Text, unique=True)
    title: Mapped[str] = mapped_column(Text)
    data_center_id: Mapped[UUID] = mapped_column(ForeignKey("data_centers.id"))
    withdrawn: Mapped[bool] = mapped_column(default=False)
    stock: Mapped[int | None] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class TariffVersion(Base):
    """A tariff as sold from `effective_from` on. Never changed: a change is another version."""

    __tablename__ = "tariff_versions"
    __table_args__ = (
        UniqueConstraint("tariff_id", "number"),
        CheckConstraint("vcpu > 0 AND ram_mib > 0 AND disk_gib > 0 AND ipv4 >= 0", name="size"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariffs.id"))
    number: Mapped[int] = mapped_column(Integer)
    effective_from: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    vcpu: Mapped[int] = mapped_column(Integer)
    ram_mib: Mapped[int] = mapped_column(Integer)
    disk_gib: Mapped[int] = mapped_column(Integer)
    ipv4: Mapped[int] = mapped_column(Integer)
    os_templates: Mapped[list[str]] = mapped_column(ARRAY(Text))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class TariffPriceRow(Base):
    """List price of a version for one period, in minor units with up to 6 decimals."""

    __tablename__ = "tariff_prices"
    __table_args__ = (CheckConstraint("price >= 0 AND setup_fee >= 0", name="price"),)

    version_id: Mapped[UUID] = mapped_column(ForeignKey("tariff_versions.id"), primary_key=True)
    period: Mapped[str] = mapped_column(Text, primary_key=True)
    price: Mapped[Decimal] = mapped_column(Numeric(20, 6))
    setup_fee: Mapped[Decimal] = mapped_column(Numeric(20, 6))


class Offer(Base):
    """A partner may resell this tariff, with a discount in percent."""

    __tablename__ = "offers"
    __table_args__ = (
        CheckConstraint("discount_percent BETWEEN 0 AND 100", name="discount_percent"),
    )

    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"), primary_key=True)
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariffs.id"), primary_key=True)
    discount_percent: Mapped[Decimal] = mapped_column(Numeric(5, 2), default=Decimal(0))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
