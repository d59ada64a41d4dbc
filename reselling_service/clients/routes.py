"""HTTP of clients: their own way in and their profile, and the staff's desk.

`app.state.client_in_use` answers whether a service of a client lives; `main` sets it.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials

from reselling_service.clients import queries
from reselling_service.clients.actions import login, profile
from reselling_service.clients.actions.login import OpenedSession, Profile
from reselling_service.clients.actions.profile import InUse
from reselling_service.clients.errors import (
    CLIENT_CLOSED,
    CLIENT_IN_USE,
    EMAIL_TAKEN,
    SIGN_UP_CLOSED,
    WRONG_PASSWORD,
)
from reselling_service.clients.models import Client
from reselling_service.clients.rules import ClientState
from reselling_service.clients.schemas import (
    ClientChange,
    ClientCreate,
    ClientView,
    LoginRequest,
    PasswordChange,
    ProfileChange,
    ProfileView,
    SessionView,
    SignUpRequest,
)
from reselling_service.database import (
    ClientRead,
    ClientWrite,
    RuntimeDep,
    StaffRead,
    StaffWrite,
    get_runtime,
)
from reselling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import Page
from shared.contract.problems import (
    BODY_TOO_LARGE,
    CURSOR_INVALID,
    INVALID_REQUEST,
    MALFORMED_REQUEST,
    NOT_FOUND,
    RATE_LIMITED,
    UNAUTHORIZED,
)
from shared.kit.keys import hash_secret
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.passwords import hash_password
from shared.kit.people.errors import ROLE_REQUIRED
from shared.kit.principals import ClientId, CurrentClient, client_bearer
from shared.kit.problems import ProblemError, declare
from shared.kit.text import Line

_client = APIRouter(tags=["your account"])
_staff = APIRouter(prefix="/clients", tags=["clients"])
client_routers = [_client]
staff_routers = [_staff]

_BODY = (INVALID_REQUEST, MALFORMED_REQUEST, BODY_TOO_LARGE)
_ONE = (UNAUTHORIZED, NOT_FOUND, INVALID_REQUEST)


async def resolve_client(request: Request, token: str) -> ClientId | None:
    """Whose session this token is; `main` sets it as `app.state.resolve_client`."""
    async with get_runtime(request).app.read() as session:
        return await queries.find_session(session, token_hash=hash_secret(token))


@_client.post(
    "/sign-up",
    status_code=201,
    summary="Become a client",
    description="Makes an account and logs in. The house may have closed this to the public.",
    responses=declare(SIGN_UP_CLOSED, EMAIL_TAKEN, *_BODY),
)
async def sign_up(body: SignUpRequest, runtime: RuntimeDep) -> SessionView:
    """The session's token is shown once."""
    if not runtime.settings.client_sign_up:
        raise ProblemError(SIGN_UP_CLOSED, "Ask us for an account.")
    opened = await login.sign_up(runtime.app, _profile(body), password=body.password)
    return _session(opened)


@_client.post(
    "/login",
    summary="Log in",
    description="Ten attempts at one login in five minutes, then it waits.",
    responses=declare(UNAUTHORIZED, RATE_LIMITED, *_BODY),
)
async def log_in(body: LoginRequest, runtime: RuntimeDep) -> SessionView:
    """The session's token is shown once; it lasts twelve hours."""
    opened = await login.log_in(runtime.app, email=body.email, password=body.password)
    return _session(opened)


@_client.post("/logout", status_code=204, summary="Log out", responses=declare(UNAUTHORIZED))
async def log_out(
    client_id: CurrentClient,
    credentials: Annotated[HTTPAuthorizationCredentials, Depends(client_bearer)],
    session: ClientWrite,
) -> None:
    """Ends this session; others go on."""
    await login.log_out(session, client_id, token=credentials.credentials)


@_client.get("/me", summary="Your profile", responses=declare(UNAUTHORIZED))
async def read_own_profile(client_id: CurrentClient, session: ClientRead) -> ProfileView:
    """What you told us of yourself."""
    return _own(await queries.get_client(session, client_id))


@_client.patch("/me", summary="Change your profile", responses=declare(UNAUTHORIZED, *_BODY))
async def change_own_profile(
    body: ProfileChange, client_id: CurrentClient, session: ClientWrite
) -> ProfileView:
    """Fields that are left out stay as they are."""
    changes = body.model_dump(exclude_unset=True)
    return _own(await profile.change_own(session, client_id, changes))


@_client.post(
    "/me/password",
    status_code=204,
    summary="Change your password",
    description="Ends all sessions, this one too: log in again with the new password.",
    responses=declare(UNAUTHORIZED, WRONG_PASSWORD, RATE_LIMITED, *_BODY),
)
async def change_own_password(
    body: PasswordChange, client_id: CurrentClient, runtime: RuntimeDep
) -> None:
    """Needs the current one; wrong ones count as attempts to log in."""
    await login.change_password(runtime.app, client_id, current=body.current, new=body.new)


@_staff.post(
    "",
    status_code=201,
    summary="Make a client",
    description="Without a password the client can't log in until staff gives one.",
    responses=declare(UNAUTHORIZED, ROLE_REQUIRED, EMAIL_TAKEN, *_BODY),
)
async def create_client(
    body: ClientCreate, staff: OperatorStaff, session: StaffWrite
) -> ClientView:
    """For owner and operator."""
    password_hash = None if body.password is None else await hash_password(body.password)
    client = await profile.create(
        session, staff, _profile(body), password_hash=password_hash, note=body.note
    )
    return _view(client)


@_staff.get(
    "",
    summary="List and search clients",
    responses=declare(UNAUTHORIZED, CURSOR_INVALID, INVALID_REQUEST),
)
async def list_clients(
    *,
    _person: AnyStaff,
    session: StaffRead,
    search: Annotated[Line | None, Query(description="Part of e-mail, name or phone.")] = None,
    state: Annotated[ClientState | None, Query(description="In this state only.")] = None,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[ClientView]:
    """Oldest first."""
    rows = await queries.list_clients(
        session, search=search, state=state, after=decode_cursor(after), limit=limit
    )
    return make_page(rows, limit=limit, row_id=lambda row: row.id, item=_view)


@_staff.get("/{client_id}", summary="One client", responses=declare(*_ONE))
async def read_client(client_id: UUID, _person: AnyStaff, session: StaffRead) -> ClientView:
    """With the staff's note."""
    return _view(await queries.get_client(session, ClientId(client_id)))


@_staff.patch(
    "/{client_id}",
    summary="Change a client",
    description="A new password or e-mail address ends the client's sessions.",
    responses=declare(*_ONE, ROLE_REQUIRED, EMAIL_TAKEN, CLIENT_CLOSED, *_BODY),
)
async def change_client(
    client_id: UUID, body: ClientChange, staff: OperatorStaff, session: StaffWrite
) -> ClientView:
    """Fields that are left out stay as they are."""
    changes = body.model_dump(exclude_unset=True, exclude={"password"})
    password_hash = await hash_password(body.password) if body.password else None
    client = await profile.change(
        session, staff, ClientId(client_id), changes, password_hash=password_hash
    )
    return _view(client)


@_staff.post(
    "/{client_id}/close",
    summary="Close a client",
    description="Ends their sessions; no more logins and orders. History and money stay.",
    responses=declare(*_ONE, ROLE_REQUIRED, CLIENT_IN_USE),
)
async def close_client(
    request: Request, client_id: UUID, staff: OperatorStaff, session: StaffWrite
) -> ClientView:
    """Refused while a service of the client lives."""
    in_use: InUse = request.app.state.client_in_use
    return _view(await profile.close(session, staff, ClientId(client_id), in_use=in_use))


def _profile(body: SignUpRequest | ClientCreate) -> Profile:
    return Profile(email=body.email, name=body.name, phone=body.phone, address=body.address)


def _session(opened: OpenedSession) -> SessionView:
    return SessionView(token=opened.token, expires_at=opened.expires_at, client_id=opened.client_id)


def _own(client: Client) -> ProfileView:
    return ProfileView(
        id=client.id,
        email=client.email,
        name=client.name,
        phone=client.phone,
        address=client.address,
        created_at=client.created_at,
    )


def _view(client: Client) -> ClientView:
    return ClientView(
        **_own(client).model_dump(),
        state=client.state,
        note=client.note,
        can_log_in=client.password_hash is not None and client.state == ClientState.ACTIVE,
    )
