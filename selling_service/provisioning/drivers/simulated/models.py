"""Tables of the simulated platform. They stand for a foreign system: no other table refers to them.

They hold the VMs' host names and nothing else of the client's content.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base


class SimulatedPlatformRow(Base):
    """One platform: its totals, what is taken of them, and how it behaves.

    `images` null: every OS template exists. `faults` by name of the call.
    """

    __tablename__ = "simulated_platforms"
    __table_args__ = (
        CheckConstraint(
            "vms_used >= 0 AND vcpu_used >= 0 AND ram_mib_used >= 0 AND disk_gib_used >= 0",
            name="used",
        ),
        CheckConstraint("delay_ms >= 0", name="delay"),
    )

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    vms: Mapped[int] = mapped_column(Integer)
    vms_used: Mapped[int] = mapped_column(Integer, server_default="0")
    vcpu: Mapped[int] = mapped_column(Integer)
    vcpu_used: Mapped[int] = mapped_column(Integer, server_default="0")
    ram_mib: Mapped[int] = mapped_column(BigInteger)
    ram_mib_used: Mapped[int] = mapped_column(BigInteger, server_default="0")
    disk_gib: Mapped[int] = mapped_column(BigInteger)
    disk_gib_used: Mapped[int] = mapped_column(BigInteger, server_default="0")
    vms_per_user: Mapped[int | None] = mapped_column(Integer)
    images: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    delay_ms: Mapped[int] = mapped_column(Integer)
    faults: Mapped[dict[str, Any]] = mapped_column(JSONB)
    addresses_given: Mapped[int] = mapped_column(BigInteger, server_default="0")


class SimulatedUserRow(Base):
    """One platform user."""

    __tablename__ = "simulated_users"

    platform: Mapped[str] = mapped_column(ForeignKey("simulated_platforms.name"), primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)


class SimulatedVMRow(Base):
    """One VM, or the fence of a deleted one.

    `built` false: its creation was cut short. `wanted` is the power that a restart of the node
    brings back. `seen_hostname` and `boots` are what the guest knows of itself.
    """

    __tablename__ = "simulated_vms"
    __table_args__ = (
        CheckConstraint("power IN ('running', 'stopped')", name="power"),
        CheckConstraint("wanted IN ('running', 'stopped')", name="wanted"),
        CheckConstraint(
            "NOT ((locked OR deleted) AND power = 'running')", name="locked_is_stopped"
        ),
        Index("ix_simulated_vms_owner", "platform", "owner_id"),
    )

    platform: Mapped[str] = mapped_column(ForeignKey("simulated_platforms.name"), primary_key=True)
    vm_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    fence: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[bool]
    built: Mapped[bool]
    power: Mapped[str] = mapped_column(Text)
    wanted: Mapped[str] = mapped_column(Text)
    locked: Mapped[bool]
    vcpu: Mapped[int] = mapped_column(Integer)
    ram_mib: Mapped[int] = mapped_column(Integer)
    disk_gib: Mapped[int] = mapped_column(Integer)
    ipv4: Mapped[int] = mapped_column(Integer)
    image: Mapped[str] = mapped_column(Text)
    hostname: Mapped[str] = mapped_column(Text)
    seen_hostname: Mapped[str | None] = mapped_column(Text)
    boots: Mapped[int] = mapped_column(Integer)
    addresses: Mapped[list[str]] = mapped_column(ARRAY(Text))
    mark: Mapped[str | None] = mapped_column(Text)
