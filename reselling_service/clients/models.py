"""Tables of clients: the only place that knows who they are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Integer, LargeBinary, Text
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base


class Client(Base):
    """An end customer, with a login of their own. `state`: active or closed.

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
    failed_logins: Mapped[int] = mapped_column(Integer, default=0)
    locked_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ClientSession(Base):
    """A login of a client, known by the hash of its token."""

    __tablename__ = "client_sessions"

    token_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.client_id"), index=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
