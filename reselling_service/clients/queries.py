"""Every SELECT on clients. Before a login they go through two narrow functions of the database."""

from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy import select, text

from reselling_service.clients.models import Client
from shared.contract.problems import NOT_FOUND
from shared.kit.db import ReadSession
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError

_LOGIN = text("SELECT id, hash FROM client_login(:email)")
_SESSION = text("SELECT client_session(:token_hash, :at)")


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


async def find_session(session: ReadSession, *, token_hash: bytes) -> ClientId | None:
    """The client whose session this is; None where it has ended or the client is closed."""
    values = {"token_hash": token_hash, "at": session.clock.now()}
    found: UUID | None = await session.scalar(_SESSION, values)
    return None if found is None else ClientId(found)


async def get_client(session: ReadSession, client_id: ClientId, *, lock: bool = False) -> Client:
    """The client; `lock` keeps others from changing the row. Raises `not_found`."""
    statement = select(Client).where(Client.id == client_id)
    if lock:
        statement = statement.with_for_update()
    client = await session.scalar(statement.execution_options(populate_existing=True))
    if client is None:
        raise ProblemError(NOT_FOUND, "There is no such client. Check the id.")
    return client
