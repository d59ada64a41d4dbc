"""Tables of services, their suspensions, terms, operations and the commands that were received."""

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from selling_service.database import Base
from selling_service.ledger.models import Entry, Hold
from shared.contract.basics import OperationState, ServiceState
from shared.kit.columns import Encrypted, Hashed
from shared.kit.idempotency import CommandColumns


def _one_of(column: str, values: object) -> str:
    listed = ", ".join(f"'{value}'" for value in values)  # type: ignore[attr-defined]
    return f"{column} IN ({listed})"


class ServiceRow(Base):
    """The thing sold.

    `state` and `power` are what was carried out, `wanted_power` is what it returns to after
    suspensions. Of its `terms`, those after the first `terms_before` end whole periods after
    `counted_from`: the activation, or a restore with which they began anew. `terminated_by` is the
    side that ended it, or has scheduled its end for `terminate_at`. `fence` grows with each attempt
    on the platform. Host name and guest content are encrypted; the password's hash is wiped once
    the VM exists. While it is parked (`parked_at`; why: `parked_code`, `parked_detail`) only a
    suspension and an end are carried out.
    """

    __tablename__ = "services"
    __table_args__ = (
        CheckConstraint(_one_of("state", ServiceState), name="state"),
        CheckConstraint("power IN ('running', 'stopped')", name="power"),
        CheckConstraint("wanted_power IN ('running', 'stopped')", name="wanted_power"),
        CheckConstraint(
            "state IN ('ordered', 'provisioning', 'failed', 'terminating', 'terminated', 'deleted')"
            " OR (activated_at IS NOT NULL AND paid_until IS NOT NULL)",
            name="active_is_paid",
        ),
        CheckConstraint("(state = 'terminated') <= (delete_at IS NOT NULL)", name="terminated"),
        UniqueConstraint("partner_id", "service_ref"),
        UniqueConstraint("partner_id", "id"),
        ForeignKeyConstraint(["partner_id", "account_id"], ["accounts.partner_id", "accounts.id"]),
        ForeignKeyConstraint(
            ["partner_id", "installation_id"], ["installations.partner_id", "installations.id"]
        ),
        Index("ix_services_account", "account_id"),
        Index("ix_services_parked", "id", postgresql_where=text("parked_at IS NOT NULL")),
        Index("ix_services_created", "partner_id", "created_at", "id"),
        Index(
            "ix_services_to_forget",
            "id",
            postgresql_where=text("forgotten_at IS NULL AND state IN ('deleted', 'failed')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID] = mapped_column(ForeignKey("partners.id"))
    installation_id: Mapped[UUID]
    account_id: Mapped[UUID]
    service_ref: Mapped[UUID]
    client_ref: Mapped[UUID]
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariffs.id"))
    tariff_version_id: Mapped[UUID] = mapped_column(ForeignKey("tariff_versions.id"))
    tariff_version: Mapped[int] = mapped_column(Integer)
    data_center_id: Mapped[UUID] = mapped_column(ForeignKey("data_centers.id"))
    period: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    power: Mapped[str] = mapped_column(Text, default="stopped")
    wanted_power: Mapped[str] = mapped_column(Text, default="running")
    revision: Mapped[int] = mapped_column(BigInteger, default=1)
    fence: Mapped[int] = mapped_column(BigInteger, default=0)
    # Stock and capacity are taken until the VM is gone, which is later than the service.
    holds_room: Mapped[bool] = mapped_column(default=True)
    vcpu: Mapped[int] = mapped_column(Integer)
    ram_mib: Mapped[int] = mapped_column(Integer)
    disk_gib: Mapped[int] = mapped_column(Integer)
    ipv4: Mapped[int] = mapped_column(Integer)
    addresses: Mapped[list[str]] = mapped_column(ARRAY(Text))
    os: Mapped[str] = mapped_column(Text)
    image: Mapped[str] = mapped_column(Text)
    hostname: Mapped[bytes] = mapped_column(Encrypted)
    content: Mapped[bytes | None] = mapped_column(Encrypted)
    order_fingerprint: Mapped[bytes] = mapped_column(Hashed)
    terms: Mapped[int] = mapped_column(Integer, default=0)
    terms_before: Mapped[int] = mapped_column(Integer, default=0)
    counted_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    activated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    paid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    terminate_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    terminated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    terminated_by: Mapped[str | None] = mapped_column(Text)
    delete_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    parked_code: Mapped[str | None] = mapped_column(Text)
    parked_detail: Mapped[str | None] = mapped_column(Text)
    parked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    forgotten_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SuspensionRow(Base):
    """One actor's suspension of one service. It stands from the acceptance of its command."""

    __tablename__ = "suspensions"
    __table_args__ = (
        ForeignKeyConstraint(["partner_id", "service_id"], ["services.partner_id", "services.id"]),
    )

    service_id: Mapped[UUID] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(Text, primary_key=True)
    partner_id: Mapped[UUID]
    reason: Mapped[str] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class TermRow(Base):
    """A paid term. One charge per term: the start is unique per service."""

    __tablename__ = "terms"
    __table_args__ = (
        UniqueConstraint("service_id", "starts_at"),
        CheckConstraint("ends_at > starts_at", name="order"),
        ForeignKeyConstraint(["partner_id", "service_id"], ["services.partner_id", "services.id"]),
    )

    service_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    partner_id: Mapped[UUID]
    starts_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ends_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    amount: Mapped[int] = mapped_column(BigInteger)


class OperationRow(Base):
    """One execution of a command, or of what the provider or the clock decided.

    `content` is the client's content of this operation, encrypted, wiped when it ends. `problem` is
    the wire's, and under `internal` what only the provider's staff may read.
    """

    __tablename__ = "operations"
    __table_args__ = (
        CheckConstraint(_one_of("state", OperationState), name="state"),
        CheckConstraint(
            "(state IN ('succeeded', 'failed', 'superseded', 'cancelled'))"
            " = (finished_at IS NOT NULL)",
            name="finished",
        ),
        UniqueConstraint("partner_id", "id"),
        ForeignKeyConstraint(["partner_id", "service_id"], ["services.partner_id", "services.id"]),
        ForeignKeyConstraint(["partner_id", "hold_id"], ["holds.partner_id", "holds.id"]),
        Index("ix_operations_service", "service_id", "id"),
        Index(
            "ix_operations_open",
            "service_id",
            postgresql_where=text("finished_at IS NULL"),
        ),
        Index("ix_operations_command", "partner_id", "command_id"),
        Index("ix_operations_trace", text("substr(traceparent, 4, 32)")),
        Index("ix_operations_desk", "id", postgresql_where=text("state IN ('waiting', 'failed')")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID]
    service_id: Mapped[UUID]
    service_ref: Mapped[UUID]
    command_id: Mapped[UUID | None]
    job_id: Mapped[int | None] = mapped_column(BigInteger)
    hold_id: Mapped[UUID | None]
    kind: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    progress: Mapped[int] = mapped_column(Integer, default=0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    parameters: Mapped[dict[str, Any]] = mapped_column(JSONB)
    content: Mapped[bytes | None] = mapped_column(Encrypted)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    problem: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    request_id: Mapped[UUID | None]
    traceparent: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    started_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class AttemptRow(Base):
    """One attempt of the worker on a service: an operation's, or one that sets a VM right.

    `outcome`: running, done, waiting (goes again), failed, lost (its worker vanished, or was
    overtaken). `code` is the wire's problem; `problem` and the details of `calls`, what was
    asked of the platform, are for the provider's staff. Kept for 90 days.
    """

    __tablename__ = "operation_attempts"
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('running', 'done', 'waiting', 'failed', 'lost')", name="outcome"
        ),
        CheckConstraint("(outcome = 'running') = (ended_at IS NULL)", name="ended"),
        ForeignKeyConstraint(["partner_id", "service_id"], ["services.partner_id", "services.id"]),
        ForeignKeyConstraint(
            ["partner_id", "operation_id"], ["operations.partner_id", "operations.id"]
        ),
        Index("ix_operation_attempts_operation", "operation_id", "id"),
        Index("ix_operation_attempts_trace", "trace_id"),
        Index("ix_operation_attempts_started_at", "started_at"),
        Index("ix_operation_attempts_open", "job_id", postgresql_where=text("ended_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    partner_id: Mapped[UUID]
    service_id: Mapped[UUID]
    operation_id: Mapped[UUID | None]
    job_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    number: Mapped[int] = mapped_column(Integer)
    trace_id: Mapped[str] = mapped_column(Text)
    outcome: Mapped[str] = mapped_column(Text)
    code: Mapped[str | None] = mapped_column(Text)
    problem: Mapped[str | None] = mapped_column(Text)
    calls: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ReceivedCommand(CommandColumns, Base):
    """A command of a partner as it was received and answered."""

    __tablename__ = "received_commands"
    __table_args__ = (Index("ix_received_commands_trace", text("substr(traceparent, 4, 32)")),)

    tenant_id: Mapped[UUID] = mapped_column(
        "partner_id", ForeignKey("partners.id"), primary_key=True
    )


def _tie(table: type[Base], column: str, to: str) -> None:
    """Let a column of a table that knows nothing of this room name rows of the same partner."""
    key = ForeignKeyConstraint(["partner_id", column], [f"{to}.partner_id", f"{to}.id"])
    cast("Table", table.__table__).append_constraint(key)


_tie(Hold, "service_id", "services")
_tie(Entry, "service_id", "services")
_tie(ReceivedCommand, "operation_id", "operations")
