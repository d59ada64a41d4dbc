"""The columns of `staff`, its sessions, its lockouts and the audit, declared by each service."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    DateTime,
    FetchedValue,
    ForeignKey,
    Index,
    Integer,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from shared.kit.columns import Encrypted, Hashed


class StaffColumns:
    """A person who may log in. `email` is in lower case; one who has left is deactivated."""

    __tablename__ = "staff"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    password_hash: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    deactivated_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        roles = "role IN ('owner', 'operator', 'finance', 'read_only')"
        return (CheckConstraint(roles, name="role"),)


class SessionColumns:
    """A login, known by the hash of its token. `id` names it to its owner.

    `seen_at` is when it was last used, to a minute or so; null before its first use. `address` and
    `agent` (the browser, as it calls itself) let its owner recognise it.
    """

    token_hash: Mapped[bytes] = mapped_column(Hashed, primary_key=True)
    # The default is for the release before, which knows of no ids.
    id: Mapped[UUID] = mapped_column(unique=True, server_default=text("gen_random_uuid()"))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    seen_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    address: Mapped[str | None] = mapped_column(Text)
    agent: Mapped[str | None] = mapped_column(Text)


class StaffSessionColumns(SessionColumns):
    """A login of the staff."""

    __tablename__ = "staff_sessions"

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)


class FactorColumns:
    """The second factor of a person. `secret` (base32, encrypted) is unconfirmed until a code fits.

    `last_step` is the newest time step whose code was used: neither it nor an older one is taken.
    """

    __tablename__ = "staff_factors"

    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    secret: Mapped[bytes] = mapped_column(Encrypted)
    last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class RecoveryCodeColumns:
    """A code for who has lost their device, known by its hash. A used one is deleted."""

    __tablename__ = "staff_recovery_codes"

    code_hash: Mapped[bytes] = mapped_column(Hashed, primary_key=True)
    staff_id: Mapped[UUID] = mapped_column(ForeignKey("staff.id"), index=True)


class LockoutColumns:
    """Attempts under a key: a login from an address, a login, an address (see `Lockouts`).

    Keys are HMACs: what a stranger typed is nobody's business. `succeeded_at` is when this login
    last succeeded from this address.
    """

    login_hash: Mapped[bytes] = mapped_column(Hashed, primary_key=True)
    attempts: Mapped[int] = mapped_column(Integer)
    last_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    succeeded_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class StaffLockoutColumns(LockoutColumns):
    """Attempts at logins of the staff."""

    __tablename__ = "staff_lockouts"


_SEALED = "(number IS NULL) = (hash IS NULL) AND (number IS NULL) = (previous_hash IS NULL)"
_REDACTED = (
    "CASE WHEN redacted_at IS NULL THEN redacted_by IS NULL AND salt IS NOT NULL "
    "ELSE redacted_by IS NOT NULL AND salt IS NULL AND before IS NULL AND after IS NULL END"
)


class AuditColumns:
    """Who changed what. `actor_id` is a person's where `actor_kind` is staff, null otherwise.

    The database itself numbers and hashes an entry when its transaction commits (`0003`), and lets
    nothing change afterwards but `before` and `after`, to null and by `audit_redact` only.
    """

    __tablename__ = "audit_entries"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor_kind: Mapped[str] = mapped_column(Text)
    actor_id: Mapped[UUID | None]
    action: Mapped[str] = mapped_column(Text)
    object_type: Mapped[str] = mapped_column(Text)
    object_id: Mapped[str] = mapped_column(Text)
    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    request_id: Mapped[UUID | None]
    traceparent: Mapped[str] = mapped_column(Text)
    number: Mapped[int | None] = mapped_column(BigInteger, unique=True)
    salt: Mapped[bytes | None] = mapped_column(Hashed, FetchedValue())
    content_hash: Mapped[bytes] = mapped_column(Hashed, FetchedValue())
    previous_hash: Mapped[bytes | None] = mapped_column(Hashed)
    hash: Mapped[bytes | None] = mapped_column(Hashed)
    redacted_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    redacted_by: Mapped[UUID | None]

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        kinds = "actor_kind IN ('staff', 'cli', 'system')"
        return (
            CheckConstraint(kinds, name="actor_kind"),
            CheckConstraint("(actor_kind = 'staff') = (actor_id IS NOT NULL)", name="actor_id"),
            CheckConstraint(_SEALED, name="sealed"),
            CheckConstraint(_REDACTED, name="redacted"),
            Index("ix_audit_entries_object", "object_type", "object_id", "id"),
            Index("ix_audit_entries_trace", text("substr(traceparent, 4, 32)")),
        )


class AuditHeadColumns:
    """The newest number of the audit's chain and its hash: one row."""

    __tablename__ = "audit_head"

    one: Mapped[bool] = mapped_column(Boolean, primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[bytes] = mapped_column(Hashed)

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[object, ...]:
        return (CheckConstraint("one", name="one"),)


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The tables of one service that are about its people. `name` is what they see of it."""

    name: str
    staff: type[StaffColumns]
    sessions: type[StaffSessionColumns]
    factors: type[FactorColumns]
    recovery_codes: type[RecoveryCodeColumns]
    lockouts: type[StaffLockoutColumns]
    audit: type[AuditColumns]
    head: type[AuditHeadColumns]
