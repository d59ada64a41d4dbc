"""What we know of users and VMs on platforms on other machines, which keep no fence of ours.

They hold the VMs' host names and nothing else of the client's content.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Index, Integer, Text
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base


class ForeignUserRow(Base):
    """One platform user."""

    __tablename__ = "foreign_users"

    platform: Mapped[str] = mapped_column(Text, primary_key=True)
    owner_id: Mapped[UUID] = mapped_column(primary_key=True)


class ForeignVMRow(Base):
    """One VM, or the fence of a deleted one.

    `built` false: its creation was cut short. `wanted` is the power that it should have. Whoever
    holds it says so in `held_by`, until `held_until`.
    """

    __tablename__ = "foreign_vms"
    __table_args__ = (
        CheckConstraint("wanted IN ('running', 'stopped')", name="wanted"),
        CheckConstraint(
            "NOT ((locked OR deleted) AND wanted = 'running')", name="locked_is_stopped"
        ),
        Index("ix_foreign_vms_owner", "platform", "owner_id"),
    )

    platform: Mapped[str] = mapped_column(Text, primary_key=True)
    vm_id: Mapped[UUID] = mapped_column(primary_key=True)
    owner_id: Mapped[UUID]
    fence: Mapped[int] = mapped_column(BigInteger)
    deleted: Mapped[bool]
    built: Mapped[bool]
    wanted: Mapped[str] = mapped_column(Text)
    locked: Mapped[bool]
    vcpu: Mapped[int] = mapped_column(Integer)
    ram_mib: Mapped[int] = mapped_column(Integer)
    disk_gib: Mapped[int] = mapped_column(Integer)
    ipv4: Mapped[int] = mapped_column(Integer)
    image: Mapped[str] = mapped_column(Text)
    hostname: Mapped[str] = mapped_column(Text)
    mark: Mapped[str | None] = mapped_column(Text)
    held_by: Mapped[UUID | None]
    held_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
