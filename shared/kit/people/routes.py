"""Routes about staff and the audit, made for the tables of one service."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from shared.contract.basics import Page
from shared.contract.problems import CURSOR_INVALID, INVALID_REQUEST, NOT_FOUND
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffGuard, StaffRead, StaffWrite
from shared.kit.people.auditing import AuditFilter, list_audit
from shared.kit.people.errors import (
    FOR_EVERY_ROUTE,
    FOR_SOME_ROLES,
    LAST_OWNER,
    LOGIN_TAKEN,
    WITH_BODY,
)
from shared.kit.people.factor_routes import factor_routers
from shared.kit.people.members import (
    MemberChange,
    change_member,
    create_member,
    find_member,
    list_members,
)
from shared.kit.people.own_routes import own_routers
from shared.kit.people.principals import EVERYBODY, OWNERS, StaffPrincipal
from shared.kit.people.schemas import (
    AuditOutput,
    StaffChangeInput,
    StaffInput,
    StaffOutput,
    staff_output,
)
from shared.kit.people.tables import AuditColumns, People
from shared.kit.problems import declare
from shared.kit.text import Line


def people_routers(people: People, guard: StaffGuard) -> list[APIRouter]:
    """`/login /logout /me /staff /audit` of one service."""
    return [
        *own_routers(people, guard),
        *factor_routers(people, guard),
        _staff_reading_routes(people, guard),
        _staff_changing_routes(people, guard),
        _audit_routes(people, guard),
    ]


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
        return make_page(rows, limit=limit, row_id=lambda row: row.id, item=staff_output)

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
        return staff_output(await find_member(session, people, staff_id=staff_id))

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
        return staff_output(row)

    @router.patch(
        "/staff/{staff_id}",
        summary="Change or deactivate a person",
        description="Owners only. A new password, another role or `active: false` ends their "
        "sessions. "
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
        return staff_output(await change_member(session, people, owner, staff_id, change))

    return router


def _audit_routes(people: People, guard: StaffGuard) -> APIRouter:
    router = APIRouter(tags=["audit"])

    @router.get(
        "/audit",
        dependencies=[Depends(guard.having(EVERYBODY))],
        summary="What was changed, and by whom",
        description="Oldest first. Entries are never changed or deleted: each holds the hash of "
        "the one before, and `audit verify` on the command line walks along them.",
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
        number=row.number or 0,
        hash=(row.hash or b"").hex(),
        redacted_at=row.redacted_at,
    )
