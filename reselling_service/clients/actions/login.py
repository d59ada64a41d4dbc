"""Lets clients in and out. Unknown logins take as long, answer and are locked like known ones.

Passwords are hashed with no transaction open: it takes a tenth of a second.
"""

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError

from reselling_service.clients import queries
from reselling_service.clients.errors import EMAIL_TAKEN, WRONG_PASSWORD
from reselling_service.clients.models import Client, ClientLockout, ClientSession
from reselling_service.clients.rules import SESSION_LIFE, ClientState, same_email
from shared.contract.problems import UNAUTHORIZED
from shared.kit.db import Database, WriteSession
from shared.kit.ids import new_id
from shared.kit.keys import hash_secret, make_session_token
from shared.kit.passwords import hash_password, verify_password
from shared.kit.people import Lockouts
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError

LOCKOUTS = Lockouts(ClientLockout, kind=b"client login", helper="us set a new password")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What a client tells of themselves."""

    email: str
    name: str
    phone: str | None
    address: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A login that succeeded; the token exists nowhere else."""

    client_id: ClientId
    token: str = field(repr=False)
    expires_at: datetime


async def sign_up(database: Database, profile: Profile, *, password: str) -> OpenedSession:
    """A new client, logged in at once. Raises `email_taken`."""
    password_hash = await hash_password(password)
    client_id = ClientId(new_id())
    async with database.write(tenant=client_id) as session:
        await add_client(session, client_id, profile, password_hash=password_hash)
        return await _open_session(session, client_id)


async def add_client(
    session: WriteSession,
    client_id: ClientId,
    profile: Profile,
    *,
    password_hash: str | None,
    note: str | None = None,
) -> Client:
    """The row of a new client. Raises `email_taken`."""
    client = Client(
        id=client_id,
        email=same_email(profile.email),
        name=profile.name,
        phone=profile.phone,
        address=profile.address,
        note=note,
        password_hash=password_hash,
        state=ClientState.ACTIVE,
        created_at=session.clock.now(),
    )
    try:
        async with session.begin_nested():
            session.add(client)
    except IntegrityError as error:
        raise email_taken() from error
    return client


def email_taken() -> ProblemError:
    """Somebody else logs in with this address."""
    return ProblemError(EMAIL_TAKEN, "Log in with this address, or use another one.")


async def log_in(database: Database, *, email: str, password: str) -> OpenedSession:
    """A new session. Raises `unauthorized`, `rate_limited`."""
    login = same_email(email)
    async with database.write() as session:
        await LOCKOUTS.count(session, login=login)
        found = await queries.find_login(session, email=login)
    fits = await verify_password(password, found.password_hash if found else None)
    if found is None or not fits:
        raise _wrong_login()
    async with database.write(tenant=found.client_id) as session:
        client = await queries.get_client(session, found.client_id, lock=True)
        if client.password_hash != found.password_hash or client.state != ClientState.ACTIVE:
            # Changed while the hash was reckoned: no session may outlive that.
            raise _wrong_login()
        await LOCKOUTS.forget(session, login=login)
        return await _open_session(session, found.client_id)


async def log_out(session: WriteSession, client_id: ClientId, *, token: str) -> None:
    """End this session."""
    mine = ClientSession.client_id == client_id
    gone = delete(ClientSession).where(mine, ClientSession.token_hash == hash_secret(token))
    await session.execute(gone)


async def end_sessions(session: WriteSession, client_id: ClientId) -> None:
    """End all sessions of a client."""
    await session.execute(delete(ClientSession).where(ClientSession.client_id == client_id))


async def change_password(
    database: Database, client_id: ClientId, *, current: str, new: str
) -> None:
    """A client's own new password; ends all their sessions.

    Raises `wrong_password`, `rate_limited`.
    """
    async with database.write(tenant=client_id) as session:
        client = await queries.get_client(session, client_id)
        await LOCKOUTS.count(session, login=client.email)
    seen = client.password_hash
    if not await verify_password(current, seen):
        raise _wrong_password()
    password_hash = await hash_password(new)
    async with database.write(tenant=client_id) as session:
        client = await queries.get_client(session, client_id, lock=True)
        if client.password_hash != seen:
            raise _wrong_password()
        await set_password(session, client, password_hash=password_hash)


async def set_password(session: WriteSession, client: Client, *, password_hash: str) -> None:
    """Put a new password in place: old sessions end, failed attempts are forgotten."""
    client.password_hash = password_hash
    await session.flush()
    await end_sessions(session, ClientId(client.id))
    await LOCKOUTS.forget(session, login=client.email)


def _wrong_login() -> ProblemError:
    detail = "The e-mail address or the password is wrong."
    return ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


def _wrong_password() -> ProblemError:
    detail = "Nothing was changed. Type the password that you log in with now."
    return ProblemError(WRONG_PASSWORD, detail)


async def _open_session(session: WriteSession, client_id: ClientId) -> OpenedSession:
    """Sessions that are over go with the next login of the same client."""
    now = session.clock.now()
    mine = ClientSession.client_id == client_id
    await session.execute(delete(ClientSession).where(mine, ClientSession.expires_at <= now))
    token, token_hash = make_session_token()
    row = ClientSession(
        token_hash=token_hash,
        client_id=client_id,
        created_at=now,
        expires_at=now + SESSION_LIFE,
    )
    session.add(row)
    await session.flush()
    return OpenedSession(client_id=client_id, token=token, expires_at=row.expires_at)
