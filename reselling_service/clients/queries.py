"""Every SELECT on clients. Before a login they go through two narrow functions of the database."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, text

from reselling_service.clients.errors import CLIENT_CLOSED
from reselling_service.clients.models import Client
from reselling_service.clients.rules import ClientState
from shared.kit.db import ReadSession, WriteSession
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError, not_found
from shared.kit.text import same_email

_LOGIN = text("SELECT id, hash FROM client_login(:email)")
_SESSION = text("SELECT id, seen_at FROM client_session_seen(:token_hash, :at, :idle_since)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What is compared at a login; no more of the client than that."""

    client_id: ClientId
    password_hash: str | None = field(repr=False)


async def find_login(session: ReadSession, *, email: str) -> Login | None:
    """The active client who logs in with this e-mail, already in lower case."""
    row = (await session.execute(_LOGIN, {"email": email})).one_or_none()
    if row is None:
        return None
    return Login(client_id=ClientId(row.id), password_hash=row.hash)


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Whose session it is, and when it was last seen in use."""

    client_id: ClientId
    seen_at: datetime


async def find_session(
    session: ReadSession, *, token_hash: bytes, idle: timedelta
) -> Present | None:
    """The client whose session this is; None where it is over, unused or the client is closed."""
    now = session.clock.now()
    values = {"token_hash": token_hash, "at": now, "idle_since": now - idle}
    row = (await session.execute(_SESSION, values)).one_or_none()
    return None if row is None else Present(client_id=ClientId(row.id), seen_at=row.seen_at)


async def get_client(session: ReadSession, client_id: ClientId, *, lock: bool = False) -> Client:
    """The client; `lock` keeps others from changing the row. Raises `not_found`."""
    statement = select(Client).where(Client.id == client_id)
    if lock:
        statement = statement.with_for_update()
    client = await session.scalar(statement.execution_options(populate_existing=True))
    if client is None:
        raise not_found("client")
    return client


async def find_by_email(session: ReadSession, *, email: str) -> Client | None:
    """For staff: whoever logs in with this address, closed or not."""
    statement = select(Client).where(Client.email == same_email(email))
    return (await session.scalars(statement)).one_or_none()


async def list_clients(
    session: ReadSession,
    *,
    search: str | None,
    state: ClientState | None,
    after: UUID | None,
    limit: int,
) -> Sequence[Client]:
    """For staff: up to `limit + 1` clients, oldest first, whose e-mail, name or phone match."""
    statement = select(Client).order_by(Client.id).limit(limit + 1)
    if search is not None:
        columns = (Client.email, Client.name, Client.phone)
        found = [column.icontains(search, autoescape=True) for column in columns]
        statement = statement.where(or_(*found))
    if state is not None:
        statement = statement.where(Client.state == state)
    if after is not None:
        statement = statement.where(Client.id > after)
    return (await session.scalars(statement)).all()


async def check_may_order(session: WriteSession, client_id: ClientId) -> None:
    """Keep the client from being closed until this transaction ends.

    Raises `not_found`, `client_closed`.
    """
    statement = select(Client.state).where(Client.id == client_id)
    state = await session.scalar(statement.with_for_update(read=True, key_share=True))
    if state is None:
        raise not_found("client")
    if state != ClientState.ACTIVE:
        raise ProblemError(CLIENT_CLOSED, "The client is closed: nothing new can be ordered.")
