"""Changes who a client is: by the client, or by staff with an audit entry."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from reselling_service.clients import queries
from reselling_service.clients.actions.adding import (
    Profile,
    add_client,
    check_new_password,
    email_taken,
)
from reselling_service.clients.actions.login import SESSIONS, set_password, shut_out
from reselling_service.clients.errors import CLIENT_CLOSED, CLIENT_IN_USE
from reselling_service.clients.models import Client
from reselling_service.clients.rules import ClientState
from reselling_service.staff.actions import audit
from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.passwords import hash_password, refuse_weak_password
from shared.kit.people import StaffPrincipal, Unattended
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError
from shared.kit.text import same_email

# Whether a service of the client lives; answered by a room above this one.
InUse = Callable[[ReadSession, ClientId], Awaitable[bool]]

_OWN = ("name", "phone", "address")
_STAFFS = ("email", *_OWN, "note")


async def change_own(
    session: WriteSession, client_id: ClientId, changes: Mapping[str, str | None]
) -> Client:
    """The client's own name, phone and address; what isn't named stays."""
    client = await queries.get_client(session, client_id, lock=True)
    _apply(client, changes, _OWN)
    await session.flush()
    return client


async def create(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    profile: Profile,
    *,
    password: str | None,
    note: str | None,
) -> Client:
    """A client made by staff. Raises `email_taken`, `invalid_request` for a weak password."""
    password_hash = None
    if password is not None:
        check_new_password(password, profile)
        password_hash = await hash_password(password)
    client = await add_client(
        session, ClientId(new_id()), profile, password_hash=password_hash, note=note
    )
    await _remember(session, staff, "client.create", client, after=_picture(client))
    return client


async def change(
    session: WriteSession,
    staff: StaffPrincipal,
    client_id: ClientId,
    changes: Mapping[str, str | None],
    *,
    password: str | None,
) -> Client:
    """Change what is named; a new password or address ends the client's sessions.

    Raises `not_found`, `email_taken`, `client_closed`, `invalid_request` for a weak password.
    """
    password_hash = None if password is None else await _hash_new(session, client_id, password)
    client = await queries.get_client(session, client_id, lock=True)
    if client.state == ClientState.CLOSED:
        raise ProblemError(CLIENT_CLOSED, "Nothing was changed: the client is closed.")
    before = _picture(client)
    _apply(client, changes, _STAFFS)
    client.email = same_email(client.email)
    try:
        await session.flush()
    except IntegrityError as error:
        raise email_taken() from error
    if client.email != before["email"]:
        await SESSIONS.end_all(session, client_id)
    if password_hash is not None:
        await set_password(session, client, password_hash=password_hash)
    after = _picture(client) | ({"password": "new"} if password_hash else {})
    await _remember(session, staff, "client.change", client, before=before, after=after)
    return client


async def close(
    session: WriteSession, staff: StaffPrincipal, client_id: ClientId, *, in_use: InUse
) -> Client:
    """No more logins and orders; what was is kept. Closed already: nothing happens.

    Raises `not_found`, `client_in_use`.
    """
    client = await queries.get_client(session, client_id, lock=True)
    if client.state == ClientState.CLOSED:
        return client
    # Orders keep the client's row from changing, so that none can slip in after this question.
    if await in_use(session, client_id):
        raise ProblemError(CLIENT_IN_USE, "Terminate the client's services first, then close.")
    client.state = ClientState.CLOSED
    await session.flush()
    await shut_out(session, client)
    await _remember(session, staff, "client.close", client)
    return client


async def _hash_new(session: ReadSession, client_id: ClientId, password: str) -> str:
    """Of a password that the client's own name doesn't give away."""
    client = await queries.get_client(session, client_id)
    personal = (client.email, client.name)
    refuse_weak_password(password, personal=personal, path="body.password")
    return await hash_password(password)


def _apply(client: Client, changes: Mapping[str, str | None], allowed: tuple[str, ...]) -> None:
    for name in allowed:
        if name in changes:
            setattr(client, name, changes[name])


def _picture(client: Client) -> dict[str, Any]:
    """What the audit shows of a client."""
    return {name: getattr(client, name) for name in _STAFFS}


async def _remember(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    action: str,
    client: Client,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    await audit(
        session,
        staff,
        action,
        object_type="client",
        object_id=client.id,
        before=before,
        after=after,
    )
