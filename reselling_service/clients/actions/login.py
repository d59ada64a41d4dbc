"""Lets clients in and out. Unknown logins take as long, answer and are locked like known ones.

Passwords are hashed with no transaction open: it takes a tenth of a second.
"""

from dataclasses import dataclass, field
from datetime import datetime

from reselling_service.clients import queries
from reselling_service.clients.errors import WRONG_PASSWORD
from reselling_service.clients.models import Client, ClientLockout, ClientSession
from reselling_service.clients.rules import ClientState
from reselling_service.settings import ResellingSettings
from shared.contract.problems import UNAUTHORIZED
from shared.kit.callers import CallerInfo
from shared.kit.db import Database, WriteSession
from shared.kit.passwords import (
    check_password,
    hash_password,
    refuse_weak_password,
    verify_password,
)
from shared.kit.people import Attempt, Lockouts
from shared.kit.people.sessions import Sessions
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError
from shared.kit.text import same_email

LOCKOUTS = Lockouts(ClientLockout, kind=b"client login", helper="us set a new password")
# The password asked for once more of who is logged in: strangers' attempts don't count there.
_PROOFS = Lockouts(ClientLockout, kind=b"client proof", helper="us set a new password")
SESSIONS = Sessions(ClientSession, ClientSession.client_id)
# A hash may be made anew, with newer parameters, while another login of the same client checks it.
_LOOKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A login that succeeded; the token exists nowhere else."""

    client_id: ClientId
    token: str = field(repr=False)
    expires_at: datetime


async def log_in(
    database: Database,
    settings: ResellingSettings,
    caller: CallerInfo,
    *,
    email: str,
    password: str,
) -> OpenedSession:
    """A new session. Raises `unauthorized`, `rate_limited`."""
    login = same_email(email)
    attempt = Attempt(login=login, network=caller.network)
    async with database.write() as session:
        await LOCKOUTS.count(session, attempt, settings)
    for _ in range(_LOOKS):
        async with database.read() as session:
            found = await queries.find_login(session, email=login)
        checked = await check_password(password, found.password_hash if found else None)
        if found is None or not checked.fits:
            raise _wrong_login()
        async with database.write(tenant=found.client_id) as session:
            client = await queries.get_client(session, found.client_id, lock=True)
            # Changed while the hash was reckoned: no session may outlive that.
            if client.password_hash == found.password_hash and client.state == ClientState.ACTIVE:
                client.password_hash = checked.newer or client.password_hash
                await session.flush()
                await LOCKOUTS.succeed(session, attempt)
                return await open_session(session, found.client_id, settings, caller)
    raise _wrong_login()


async def open_session(
    session: WriteSession, client_id: ClientId, settings: ResellingSettings, caller: CallerInfo
) -> OpenedSession:
    """A session of a client who was let in."""
    opened = await SESSIONS.open(session, client_id, caller, life=settings.session_life)
    return OpenedSession(client_id=client_id, token=opened.token, expires_at=opened.expires_at)


async def change_password(
    database: Database,
    settings: ResellingSettings,
    client_id: ClientId,
    caller: CallerInfo,
    *,
    current: str,
    new: str,
) -> None:
    """A client's own new password; ends all their sessions.

    Raises `wrong_password`, `rate_limited`, `invalid_request` where the new one is weak.
    """
    attempt = Attempt(login=str(client_id), network=caller.network)
    async with database.write(tenant=client_id) as session:
        client = await queries.get_client(session, client_id)
        await _PROOFS.count(session, attempt, settings)
    seen = client.password_hash
    if not await verify_password(current, seen):
        raise _wrong_password()
    refuse_weak_password(new, personal=(client.email, client.name), path="body.new")
    password_hash = await hash_password(new)
    async with database.write(tenant=client_id) as session:
        client = await queries.get_client(session, client_id, lock=True)
        if client.password_hash != seen:
            raise _wrong_password()
        await set_password(session, client, password_hash=password_hash)


async def set_password(session: WriteSession, client: Client, *, password_hash: str) -> None:
    """Put a new password in place: failed attempts are forgotten, old sessions end."""
    client.password_hash = password_hash
    await session.flush()
    await shut_out(session, client)


async def shut_out(session: WriteSession, client: Client) -> None:
    """End all sessions, and begin to count attempts anew."""
    await LOCKOUTS.forget(session, login=client.email)
    await _PROOFS.forget(session, login=str(client.id))
    await SESSIONS.end_all(session, client.id)


def _wrong_login() -> ProblemError:
    detail = "The e-mail address or the password is wrong."
    return ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


def _wrong_password() -> ProblemError:
    detail = "Nothing was changed. Type the password that you log in with now."
    return ProblemError(WRONG_PASSWORD, detail)
