"""Routes of the staff about themselves: log in and out, password, open sessions."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from fastapi.security import HTTPAuthorizationCredentials

from shared.contract.basics import Page
from shared.contract.problems import (
    CURSOR_INVALID,
    INVALID_REQUEST,
    NOT_FOUND,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNAVAILABLE,
)
from shared.kit.callers import CallerDep
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import (
    StaffGuard,
    StaffRead,
    StaffRuntime,
    StaffWrite,
    staff_bearer,
)
from shared.kit.people.errors import (
    FOR_EVERY_ROUTE,
    SECOND_FACTOR_REQUIRED,
    SECOND_FACTOR_WRONG,
    WITH_BODY,
    WRONG_PASSWORD,
)
from shared.kit.people.logins import Credentials, log_in, prove_password, sessions_of
from shared.kit.people.members import change_password, find_member
from shared.kit.people.principals import StaffPrincipal
from shared.kit.people.schemas import (
    LoginInput,
    LoginOutput,
    PasswordInput,
    SessionOutput,
    StaffOutput,
    session_output,
    staff_output,
)
from shared.kit.people.tables import People
from shared.kit.problems import declare

# The token of who was let in: the guard has seen that there is one.
OwnToken = Annotated[HTTPAuthorizationCredentials, Depends(staff_bearer)]


def own_routers(people: People, guard: StaffGuard) -> list[APIRouter]:
    """`/login /logout /me /me/password /me/sessions`; open to who has yet to enrol a device."""
    return [
        _door_routes(people, guard),
        _me_routes(people, guard),
        _session_list_routes(people, guard),
        _session_end_routes(people, guard),
    ]


def _door_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.post(
        "/login",
        name="log_in",
        status_code=201,
        summary="Log in",
        description="Gives a session, of 12 hours where nothing else is set. Paste its token into "
        "Authorize, staff_session. With a second factor, `code` is wanted, too. After 10 failed "
        "attempts from one address the login waits 5 minutes, then longer.",
        responses=declare(
            *WITH_BODY,
            UNAUTHORIZED,
            SECOND_FACTOR_REQUIRED,
            SECOND_FACTOR_WRONG,
            RATE_LIMITED,
            UNAVAILABLE,
        ),
    )
    async def login(body: LoginInput, runtime: StaffRuntime, caller: CallerDep) -> LoginOutput:
        shown = Credentials(email=body.email, password=body.password, code=body.code)
        opened = await log_in(runtime.staff, people, runtime.settings, shown, caller)
        return LoginOutput(token=opened.token, expires_at=opened.expires_at)

    @router.post(
        "/logout",
        name="log_out",
        status_code=204,
        dependencies=[Depends(guard.current)],
        summary="Log out",
        responses=declare(*FOR_EVERY_ROUTE),
    )
    async def logout(token: OwnToken, session: StaffWrite) -> None:
        await sessions_of(people).end_by_token(session, token=token.credentials)

    return router


def _me_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.get("/me", summary="Who am I", responses=declare(*FOR_EVERY_ROUTE))
    async def get_me(
        person: Annotated[StaffPrincipal, Depends(guard.current)], session: StaffRead
    ) -> StaffOutput:
        return staff_output(await find_member(session, people, staff_id=person.id))

    @router.post(
        "/me/password",
        status_code=204,
        summary="Change my password",
        description="Ends all of your sessions, this one too. The new one has 12 characters or "
        "more and is none of the commonest.",
        responses=declare(*FOR_EVERY_ROUTE, *WITH_BODY, WRONG_PASSWORD, RATE_LIMITED),
    )
    async def change_my_password(
        body: PasswordInput,
        person: Annotated[StaffPrincipal, Depends(guard.current)],
        runtime: StaffRuntime,
        caller: CallerDep,
    ) -> None:
        proven = await prove_password(
            runtime.staff,
            people,
            runtime.settings,
            person,
            caller,
            password=body.current_password,
        )
        await change_password(runtime.staff, people, person, proven=proven, new=body.new_password)

    return router


def _session_list_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.get(
        "/me/sessions",
        summary="My open sessions",
        description="Where you are logged in, oldest first.",
        responses=declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, CURSOR_INVALID),
    )
    async def list_my_sessions(
        *,
        token: OwnToken,
        person: Annotated[StaffPrincipal, Depends(guard.current)],
        runtime: StaffRuntime,
        session: StaffRead,
        limit: Limit = DEFAULT_LIMIT,
        after: After = None,
    ) -> Page[SessionOutput]:
        rows = await sessions_of(people).list(
            session,
            person.id,
            idle=runtime.settings.session_idle,
            after=decode_cursor(after),
            limit=limit,
        )
        return make_page(
            rows,
            limit=limit,
            row_id=lambda row: row.id,
            item=lambda row: session_output(row, asking=token.credentials),
        )

    return router


def _session_end_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.delete(
        "/me/sessions",
        status_code=204,
        summary="Log out everywhere",
        description="Ends all of your sessions, this one too.",
        responses=declare(*FOR_EVERY_ROUTE),
    )
    async def end_my_sessions(
        person: Annotated[StaffPrincipal, Depends(guard.current)], session: StaffWrite
    ) -> None:
        await sessions_of(people).end_all(session, person.id)

    @router.delete(
        "/me/sessions/{session_id}",
        status_code=204,
        summary="End one of my sessions",
        responses=declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, NOT_FOUND),
    )
    async def end_my_session(
        session_id: UUID,
        person: Annotated[StaffPrincipal, Depends(guard.current)],
        session: StaffWrite,
    ) -> None:
        await sessions_of(people).end_one(session, person.id, session_id=session_id)

    return router
