"""Tables of clients: the only place that knows who they are."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from reselling_service.database import Base
from shared.kit.columns import Hashed
from shared.kit.people import LockoutColumns
from shared.kit.rls import APP_ROLE


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
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ClientSession(Base):
    """A login of a client, known by the hash of its token."""

    __tablename__ = "client_sessions"

    token_hash: Mapped[bytes] = mapped_column(Hashed, primary_key=True)
    client_id: Mapped[UUID] = mapped_column(ForeignKey("clients.client_id"), index=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ClientLockout(LockoutColumns, Base):
    """Logins that were tried too often. Known by an HMAC, so that no client can be read off it."""

    __tablename__ = "client_lockouts"


_LOGIN = """
CREATE FUNCTION client_login(wanted_email text) RETURNS TABLE (id uuid, hash text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT client_id, password_hash FROM clients WHERE email = wanted_email AND state = 'active'
$$
"""
_SESSION = """
CREATE FUNCTION client_session(wanted_hash bytea, at timestamptz) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT client_id FROM client_sessions JOIN clients USING (client_id)
    WHERE token_hash = wanted_hash AND expires_at > at AND state = 'active'
$$
"""
_LOOKUPS = "client_login(text), client_session(bytea, timestamptz)"


def guard_clients() -> list[str]:
    """SQL for a migration: the two look-ups that are made before there is a principal.

    The policies show nothing then; these answer one question each, as the owner, and no other.
    """
    return [
        _LOGIN,
        _SESSION,
        f"REVOKE ALL ON FUNCTION {_LOOKUPS} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {_LOOKUPS} TO {APP_ROLE}",
    ]
