"""Routes about staff and the audit, made for the tables of one service."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from shared.contract.basics import Page
from shared.contract.problems import (
    CURSOR_INVALID,
    INVALID_REQUEST,
    NOT_FOUND,
    RATE_LIMITED,
    UNAUTHORIZED,
    UNAVAILABLE,
)
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import (
    BearerToken,
    StaffGuard,
    StaffRead,
    StaffRuntime,
    StaffWrite,
)
from shared.kit.people.auditing import AuditFilter, list_audit
from shared.kit.people.errors import (
    FOR_EVERY_ROUTE,
    FOR_SOME_ROLES,
    LAST_OWNER,
    LOGIN_TAKEN,
    WITH_BODY,
    WRONG_PASSWORD,
)
from shared.kit.people.logins import log_in, log_out
from shared.kit.people.members import (
    MemberChange,
    change_member,
    change_password,
    create_member,
    find_member,
    list_members,
)
from shared.kit.people.principals import EVERYBODY, OWNERS, Role, StaffPrincipal
from shared.kit.people.schemas import (
    AuditOutput,
    LoginInput,
    LoginOutput,
    PasswordInput,
    StaffChangeInput,
    StaffInput,
    StaffOutput,
)
from shared.kit.people.tables import AuditColumns, People, StaffColumns
from shared.kit.problems import declare
from shared.kit.text import Line


def people_routers(people: People, guard: StaffGuard) -> list[APIRouter]:
    """`/login /logout /me /staff /audit` of one service."""
    return [
        _session_routes(people, guard),
        _me_routes(people, guard),
        _staff_reading_routes(people, guard),
        _staff_changing_routes(people, guard),
        _audit_routes(people, guard),
    ]


def _session_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.post(
        "/login",
        name="log_in",
        status_code=201,
        summary="Log in",
        description="Gives a session of 12 hours. Paste its token into Authorize, staff_session. "
        "After 10 wrong passwords the login is locked for 5 minutes.",
        responses=declare(*WITH_BODY, UNAUTHORIZED, RATE_LIMITED, UNAVAILABLE),
    )
    async def login(body: LoginInput, runtime: StaffRuntime) -> LoginOutput:
        token, expires_at = await log_in(
            runtime.staff, people, email=body.email, password=body.password
        )
        return LoginOutput(token=token, expires_at=expires_at)

    @router.post(
        "/logout",
        name="log_out",
        status_code=204,
        dependencies=[Depends(guard.having(EVERYBODY))],
        summary="Log out",
        responses=declare(*FOR_EVERY_ROUTE),
    )
    async def logout(credentials: BearerToken, session: StaffWrite) -> None:
        if credentials is not None:
            await log_out(session, people, token=credentials.credentials)

    return router


def _me_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["login"])

    @router.get("/me", summary="Who am I", responses=declare(*FOR_EVERY_ROUTE))
    async def get_me(
        person: Annotated[StaffPrincipal, Depends(guard.having(EVERYBODY))], session: StaffRead
    ) -> StaffOutput:
        return _staff_output(await find_member(session, people, staff_id=person.id))

    @router.post(
        "/me/password",
        status_code=204,
        summary="Change my password",
        description="Ends all of your sessions, this one too.",
        responses=declare(*FOR_EVERY_ROUTE, *WITH_BODY, WRONG_PASSWORD, RATE_LIMITED),
    )
    async def change_my_password(
        body: PasswordInput,
        person: Annotated[StaffPrincipal, Depends(guard.having(EVERYBODY))],
        runtime: StaffRuntime,
    ) -> None:
        await change_password(
            runtime.staff,
            people,
            person,
            current=body.current_password,
            new=body.new_password,
        )

    return router


def _staff_reading_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["staff"])

    @router.get(
        "/staff",
        dependencies=[Depends(guard.having(OWNERS))],
        summary="List staff",
        description="Owners only. Oldest first, also those who have left.",
        responses=declare(*FOR_SOME_ROLES, INVALID_REQUEST, CURSOR_INVALID),
    )
    async def list_staff(
        session: StaffRead,
        limit: Limit = DEFAULT_LIMIT,
        after: After = None,
    ) -> Page[StaffOutput]:
        rows = await list_members(session, people, after=decode_cursor(after), limit=limit)
        return make_page(rows, limit=limit, row_id=lambda row: row.id, item=_staff_output)

    @router.get(
        "/staff/{staff_id}",
        dependencies=[Depends(guard.having(OWNERS))],
        summary="One person of the staff",
        description="Owners only.",
        responses=declare(*FOR_SOME_ROLES, INVALID_REQUEST, NOT_FOUND),
    )
    async def get_staff(
        staff_id: UUID,
        session: StaffRead,
    ) -> StaffOutput:
        return _staff_output(await find_member(session, people, staff_id=staff_id))

    return router


def _staff_changing_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["staff"])

    @router.post(
        "/staff",
        status_code=201,
        summary="Add a person to the staff",
        description="Owners only.",
        responses=declare(*FOR_SOME_ROLES, *WITH_BODY, LOGIN_TAKEN),
    )
    async def create_staff(
        body: StaffInput,
        owner: Annotated[StaffPrincipal, Depends(guard.having(OWNERS))],
        session: StaffWrite,
    ) -> StaffOutput:
        row = await create_member(
            session,
            people,
            owner,
            email=body.email,
            name=body.name,
            role=body.role,
            password=body.password,
        )
        return _staff_output(row)

    @router.patch(
        "/staff/{staff_id}",
        summary="Change or deactivate a person",
        description="Owners only. A new password or `active: false` ends their sessions. "
        "The last owner can't be removed.",
        responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, LAST_OWNER),
    )
    async def change_staff(
        staff_id: UUID,
        body: StaffChangeInput,
        owner: Annotated[StaffPrincipal, Depends(guard.having(OWNERS))],
        session: StaffWrite,
    ) -> StaffOutput:
        change = MemberChange(
            name=body.name, role=body.role, active=body.active, password=body.password
        )
        return _staff_output(await change_member(session, people, owner, staff_id, change))

    return router


def _audit_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["audit"])

    @router.get(
        "/audit",
        dependencies=[Depends(guard.having(EVERYBODY))],
        summary="What was changed, and by whom",
        description="Oldest first. Entries are never changed or deleted.",
        responses=declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, CURSOR_INVALID),
    )
    async def list_audit_entries(
        *,
        session: StaffRead,
        object_type: Annotated[Line | None, Query(examples=["partner"])] = None,
        object_id: Annotated[Line | None, Query()] = None,
        actor_id: UUID | None = None,
        limit: Limit = DEFAULT_LIMIT,
        after: After = None,
    ) -> Page[AuditOutput]:
        wanted = AuditFilter(object_type=object_type, object_id=object_id, actor_id=actor_id)
        rows = await list_audit(session, people, wanted, after=decode_cursor(after), limit=limit)
        return make_page(rows, limit=limit, row_id=lambda row: row.id, item=_audit_output)

    return router


def _staff_output(row: StaffColumns) -> StaffOutput:
    return StaffOutput(
        id=row.id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        active=row.deactivated_at is None,
        created_at=row.created_at,
        deactivated_at=row.deactivated_at,
    )


def _audit_output(row: AuditColumns) -> AuditOutput:
    return AuditOutput(
        id=row.id,
        at=row.at,
        actor_kind=row.actor_kind,
        actor_id=row.actor_id,
        action=row.action,
        object_type=row.object_type,
        object_id=row.object_id,
        before=row.before,
        after=row.after,
        request_id=row.request_id,
        traceparent=row.traceparent,
    )
