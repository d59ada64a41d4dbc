"""HTTP of services for staff: all of them, every change audited."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from reselling_service.services import actions, queries
from reselling_service.services.errors import (
    NOT_YOURS_TO_RESUME,
    SERVICE_SUSPENDED,
    UNDER_WAY,
)
from reselling_service.services.models import Service
from reselling_service.services.routes.common import (
    ONE,
    RENEWS,
    RESTORES,
    WISH,
    ServiceId,
    Wish,
    changing,
)
from reselling_service.services.rules import Asker, Cause, Life, Side
from reselling_service.services.schemas import (
    Rename,
    Renew,
    Restore,
    ServiceChange,
    StaffResume,
    StaffServiceView,
    StaffSuspend,
    Terminate,
    staff_view,
)
from reselling_service.staff.actions import audit
from reselling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import Page, ServiceState
from shared.contract.problems import (
    CURSOR_INVALID,
)
from shared.kit.db import ReadSession, WriteSession
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people import StaffPrincipal
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES
from shared.kit.problems import declare

router = APIRouter(prefix="/services", tags=["services"])
InNameOf = Annotated[
    Side, Query(description="`client`: in the client's name, and with the client's rights.")
]
_STAFF_WISH = (*FOR_SOME_ROLES, *WISH)


async def _for_staff(session: ReadSession, services: Sequence[Service]) -> list[StaffServiceView]:
    suspensions = await queries.find_suspensions(session, services)
    commands = await queries.find_open_commands(session, services)
    return [
        staff_view(row, suspensions[row.id], commands[row.id], vault=session.vault)
        for row in services
    ]


async def _by_staff(
    session: WriteSession,
    staff: StaffPrincipal,
    service_id: UUID,
    side: Side,
    wish: Wish,
    *,
    action: str,
    **after: object,
) -> StaffServiceView:
    service = await queries.lock_service(session, staff, service_id=service_id)
    await wish(service, Asker(side=side, name=f"staff:{staff.id}"))
    await audit(
        session,
        staff,
        f"service.{action}",
        object_type="service",
        object_id=service.id,
        after={"in_name_of": side, **after},
    )
    return (await _for_staff(session, [service]))[0]


def _side(cause: Cause) -> Side:
    return Side.CLIENT if cause is Cause.CLIENT else Side.STAFF


@router.get("", summary="All services", responses=declare(*ONE, CURSOR_INVALID))
async def list_services(
    *,
    staff: AnyStaff,
    session: StaffRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    client_id: Annotated[UUID | None, Query(description="Of this client only.")] = None,
    seller_id: Annotated[UUID | None, Query(description="At this seller only.")] = None,
    state: Annotated[ServiceState | None, Query(description="Last heard from the seller.")] = None,
    life: Annotated[Life | None, Query(description="What is wanted.")] = None,
) -> Page[StaffServiceView]:
    """Oldest first, each with what is wanted, what was heard, and whether they agree."""
    rows = await queries.list_services(
        session,
        staff,
        after=decode_cursor(after),
        limit=limit,
        client_id=client_id,
        seller_id=seller_id,
        heard_state=state,
        wanted_life=life,
    )
    shown = await _for_staff(session, rows)
    return make_page(shown, limit=limit, row_id=lambda row: row.id, item=lambda row: row)


@router.get("/{service_id}", summary="One service", responses=declare(*ONE))
async def get_service(
    staff: AnyStaff, session: StaffRead, service_id: ServiceId
) -> StaffServiceView:
    """With what is wanted, what was heard, and whether they agree."""
    service = await queries.get_service(session, staff, service_id=service_id)
    return (await _for_staff(session, [service]))[0]


@router.patch(
    "/{service_id}", summary="Change display name or renewal", responses=declare(*_STAFF_WISH)
)
async def change_service(
    staff: OperatorStaff, session: StaffWrite, service_id: ServiceId, change: ServiceChange
) -> StaffServiceView:
    """Both stay here; the seller hears of neither."""
    wished = change.model_dump(exclude_none=True)
    wish = changing(session, change)
    return await _by_staff(session, staff, service_id, Side.STAFF, wish, action="change", **wished)


@router.post(
    "/{service_id}/suspend",
    status_code=202,
    summary="Suspend for a cause",
    responses=declare(*_STAFF_WISH),
)
async def suspend_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    body: StaffSuspend,
) -> StaffServiceView:
    """`cause` `client` is in the client's name; `staff` and `client_debt` are one at the seller."""
    wish = partial(actions.suspend, session, cause=body.cause, reason=body.reason, note=body.note)
    return await _by_staff(
        session,
        staff,
        service_id,
        _side(body.cause),
        wish,
        action="suspend",
        cause=body.cause,
        reason=body.reason,
    )


@router.post(
    "/{service_id}/resume",
    status_code=202,
    summary="Lift one of our suspensions",
    responses=declare(*_STAFF_WISH, NOT_YOURS_TO_RESUME),
)
async def resume_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    body: StaffResume,
) -> StaffServiceView:
    """Those of other causes and of the provider stay; where only those stand, they are named."""
    wish = partial(actions.resume, session, cause=body.cause)
    return await _by_staff(
        session, staff, service_id, _side(body.cause), wish, action="resume", cause=body.cause
    )


@router.post(
    "/{service_id}/start",
    status_code=202,
    summary="Start the VM",
    responses=declare(*_STAFF_WISH, SERVICE_SUSPENDED),
)
async def start_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    in_name_of: InNameOf = Side.STAFF,
) -> StaffServiceView:
    """A suspended service isn't started: `blockers` say by whom it is suspended."""
    wish = partial(actions.start, session)
    return await _by_staff(session, staff, service_id, in_name_of, wish, action="start")


@router.post(
    "/{service_id}/stop",
    status_code=202,
    summary="Stop the VM",
    responses=declare(*_STAFF_WISH),
)
async def stop_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    in_name_of: InNameOf = Side.STAFF,
) -> StaffServiceView:
    """Nothing is sent where it is stopped already."""
    wish = partial(actions.stop, session)
    return await _by_staff(session, staff, service_id, in_name_of, wish, action="stop")


@router.post(
    "/{service_id}/restart",
    status_code=202,
    summary="Restart the VM",
    responses=declare(*_STAFF_WISH, SERVICE_SUSPENDED),
)
async def restart_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    in_name_of: InNameOf = Side.STAFF,
) -> StaffServiceView:
    """A repeated wish joins the restart that is under way."""
    wish = partial(actions.restart, session)
    return await _by_staff(session, staff, service_id, in_name_of, wish, action="restart")


@router.post(
    "/{service_id}/rename",
    status_code=202,
    summary="Change the host name",
    responses=declare(*_STAFF_WISH, UNDER_WAY),
)
async def rename_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    body: Rename,
    in_name_of: InNameOf = Side.STAFF,
) -> StaffServiceView:
    """The VM sees it at its next start. The name isn't written to the audit."""
    wish = partial(actions.rename, session, hostname=body.hostname)
    return await _by_staff(session, staff, service_id, in_name_of, wish, action="rename")


@router.post(
    "/{service_id}/terminate",
    status_code=202,
    summary="End a service",
    responses=declare(*_STAFF_WISH),
)
async def terminate_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    body: Terminate,
    in_name_of: InNameOf = Side.STAFF,
) -> StaffServiceView:
    """Now, or when the paid term is over. The client can't take back what staff ended."""
    wish = partial(actions.terminate, session, when=body.when)
    return await _by_staff(
        session, staff, service_id, in_name_of, wish, action="terminate", when=body.when
    )


@router.post(
    "/{service_id}/restore",
    status_code=202,
    summary="Take a termination back",
    responses=declare(*_STAFF_WISH, *RESTORES),
)
async def restore_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    body: Restore,
    in_name_of: InNameOf = Side.STAFF,
) -> StaffServiceView:
    """As long as its data is kept; a term that is over must be renewed with it."""
    wish = partial(actions.restore, session, with_renewal=body.renew)
    return await _by_staff(
        session, staff, service_id, in_name_of, wish, action="restore", renew=body.renew
    )


@router.post(
    "/{service_id}/renew",
    status_code=202,
    summary="Prolong by one term",
    responses=declare(*_STAFF_WISH, *RENEWS),
)
async def renew_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: ServiceId,
    body: Renew,
    in_name_of: InNameOf = Side.STAFF,
) -> StaffServiceView:
    """The client pays: the price is held now and charged when the seller has prolonged it."""
    wish = partial(actions.renew, session, paid_until=body.paid_until)
    return await _by_staff(session, staff, service_id, in_name_of, wish, action="renew")
