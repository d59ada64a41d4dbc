"""Tables of clients: the only place that knows who they are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base
from shared.kit.people import LockoutColumns, SessionColumns


class Client(Base):
    """An end customer, with a login of their own. `state`: active or closed.

    One who was erased has no name any more: `erased_at` says since when.

    Without `password_hash` (made by staff, no password given yet) nobody can log in. `email` is in
    lower case, so that it is unique whatever way it is typed. `note` is the staff's own.
    """

    __tablename__ = "clients"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'closed')", name="state"),
        CheckConstraint("email = lower(email)", name="email"),
    )

    id: Mapped[UUID] = mapped_column("client_id", primary_key=True)
    email: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(Text)
    address: Mapped[str | None] = mapped_column(Text)
    note: Mapped[str | None] = mapped_column(Text)
    password_hash: Mapped[str | None] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text, default="active")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    erased_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ClientSession(SessionColumns, Base):
    """A login of a client."""

    __tablename__ = "client_sessions"

    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.client_id"), index=True)


class ClientLockout(LockoutColumns, Base):
    """Logins that were tried too often. Known by an HMAC, so that no client can be read off it."""

    __tablename__ = "client_lockouts"
