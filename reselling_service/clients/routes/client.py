"""HTTP of clients about themselves: their way in, their profile, their open sessions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.security import HTTPAuthorizationCredentials

from reselling_service.clients import queries
from reselling_service.clients.actions import login, profile
from reselling_service.clients.actions import sign_up as signing_up
from reselling_service.clients.actions.login import OpenedSession
from reselling_service.clients.errors import EMAIL_TAKEN, SIGN_UP_CLOSED, WRONG_PASSWORD
from reselling_service.clients.routes.common import own_view, profile_of
from reselling_service.clients.schemas import (
    LoginRequest,
    PasswordChange,
    ProfileChange,
    ProfileView,
    SessionView,
    SignUpRequest,
)
from reselling_service.database import ClientRead, ClientWrite, RuntimeDep, get_runtime
from shared.contract.basics import Page
from shared.contract.problems import (
    CURSOR_INVALID,
    INVALID_REQUEST,
    NOT_FOUND,
    RATE_LIMITED,
    UNAUTHORIZED,
)
from shared.kit.callers import CallerDep
from shared.kit.keys import hash_secret
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.errors import WITH_BODY
from shared.kit.people.schemas import SessionOutput, session_output
from shared.kit.people.sessions import is_stale
from shared.kit.principals import ClientId, CurrentClient, client_bearer
from shared.kit.problems import ProblemError, declare

router = APIRouter(tags=["your account"])
# The token of who was let in.
OwnToken = Annotated[HTTPAuthorizationCredentials, Depends(client_bearer)]


async def resolve_client(request: Request, token: str) -> ClientId | None:
    """Whose session this token is; `main` sets it as `app.state.resolve_client`."""
    runtime = get_runtime(request)
    async with runtime.app.read() as session:
        found = await queries.find_session(
            session, token_hash=hash_secret(token), idle=runtime.settings.session_idle
        )
    if found is None:
        return None
    if is_stale(found.seen_at, now=runtime.clock.now()):
        async with runtime.app.write(tenant=found.client_id) as session:
            await login.SESSIONS.see(session, token=token)
    return found.client_id


@router.post(
    "/sign-up",
    status_code=201,
    summary="Become a client",
    description="Makes an account and logs in. The house may have closed this to the public. "
    "Few are taken from one address, and fewer for e-mail addresses that are taken.",
    responses=declare(SIGN_UP_CLOSED, EMAIL_TAKEN, RATE_LIMITED, *WITH_BODY),
)
async def sign_up(body: SignUpRequest, runtime: RuntimeDep, caller: CallerDep) -> SessionView:
    """The session's token is shown once."""
    if not runtime.settings.client_sign_up:
        raise ProblemError(SIGN_UP_CLOSED, "Ask us for an account.")
    opened = await signing_up.sign_up(
        runtime.app, runtime.settings, profile_of(body), caller, password=body.password
    )
    return _session(opened)


@router.post(
    "/login",
    summary="Log in",
    description="After ten failed attempts from one address the login waits five minutes, then "
    "longer.",
    responses=declare(UNAUTHORIZED, RATE_LIMITED, *WITH_BODY),
)
async def log_in(body: LoginRequest, runtime: RuntimeDep, caller: CallerDep) -> SessionView:
    """The session's token is shown once; it ends at its time, or when nobody uses it."""
    opened = await login.log_in(
        runtime.app, runtime.settings, caller, email=body.email, password=body.password
    )
    return _session(opened)


@router.post("/logout", status_code=204, summary="Log out", responses=declare(UNAUTHORIZED))
async def log_out(_client_id: CurrentClient, token: OwnToken, session: ClientWrite) -> None:
    """Ends this session; others go on."""
    await login.SESSIONS.end_by_token(session, token=token.credentials)


@router.get("/me", summary="Your profile", responses=declare(UNAUTHORIZED))
async def read_own_profile(client_id: CurrentClient, session: ClientRead) -> ProfileView:
    """What you told us of yourself."""
    return own_view(await queries.get_client(session, client_id))


@router.patch("/me", summary="Change your profile", responses=declare(UNAUTHORIZED, *WITH_BODY))
async def change_own_profile(
    body: ProfileChange, client_id: CurrentClient, session: ClientWrite
) -> ProfileView:
    """Fields that are left out stay as they are."""
    changes = body.model_dump(exclude_unset=True)
    return own_view(await profile.change_own(session, client_id, changes))


@router.post(
    "/me/password",
    status_code=204,
    summary="Change your password",
    description="Ends all sessions, this one too: log in again with the new password.",
    responses=declare(UNAUTHORIZED, WRONG_PASSWORD, RATE_LIMITED, *WITH_BODY),
)
async def change_own_password(
    body: PasswordChange, client_id: CurrentClient, runtime: RuntimeDep, caller: CallerDep
) -> None:
    """Needs the current one; after ten wrong ones it waits."""
    await login.change_password(
        runtime.app, runtime.settings, client_id, caller, current=body.current, new=body.new
    )


@router.get(
    "/me/sessions",
    summary="Your open sessions",
    responses=declare(UNAUTHORIZED, INVALID_REQUEST, CURSOR_INVALID),
)
async def list_own_sessions(
    *,
    client_id: CurrentClient,
    token: OwnToken,
    runtime: RuntimeDep,
    session: ClientRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[SessionOutput]:
    """Where you are logged in, oldest first."""
    idle = runtime.settings.session_idle
    rows = await login.SESSIONS.list(
        session, client_id, idle=idle, after=decode_cursor(after), limit=limit
    )
    return make_page(
        rows,
        limit=limit,
        row_id=lambda row: row.id,
        item=lambda row: session_output(row, asking=token.credentials),
    )


@router.delete(
    "/me/sessions",
    status_code=204,
    summary="Log out everywhere",
    responses=declare(UNAUTHORIZED),
)
async def end_own_sessions(client_id: CurrentClient, session: ClientWrite) -> None:
    """Ends all of your sessions, this one too."""
    await login.SESSIONS.end_all(session, client_id)


@router.delete(
    "/me/sessions/{session_id}",
    status_code=204,
    summary="End one of your sessions",
    responses=declare(UNAUTHORIZED, NOT_FOUND, INVALID_REQUEST),
)
async def end_own_session(session_id: UUID, client_id: CurrentClient, session: ClientWrite) -> None:
    """A device that you no longer have, say."""
    await login.SESSIONS.end_one(session, client_id, session_id=session_id)


def _session(opened: OpenedSession) -> SessionView:
    return SessionView(token=opened.token, expires_at=opened.expires_at, client_id=opened.client_id)
