"""What the provider's staff see and do: services by partner and reference, and operations."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from selling_service.database import RuntimeDep
from selling_service.services import queries, schemas
from selling_service.services.actions import staff as actions
from selling_service.services.errors import NOT_THE_PROVIDERS, OPERATION_NOT_RETRYABLE
from selling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract import problems as catalogue
from shared.contract.basics import OperationState, Page, ServiceState
from shared.contract.services import TerminateRequest
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare, not_found

router = APIRouter()
_GATE = (*FOR_SOME_ROLES, catalogue.INVALID_REQUEST)
_CHANGE = (
    *FOR_SOME_ROLES,
    *WITH_BODY,
    catalogue.NOT_FOUND,
    catalogue.WRONG_STATE,
    catalogue.PARKED,
)


@router.get(
    "/services",
    tags=["services"],
    summary="Services of all partners",
    responses=declare(*_GATE, catalogue.CURSOR_INVALID),
)
async def list_services(
    _staff: AnyStaff,
    session: StaffRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    partner_id: Annotated[UUID | None, Query(description="Of this partner only.")] = None,
    client_ref: Annotated[UUID | None, Query(description="Of this account only.")] = None,
    state: Annotated[ServiceState | None, Query(description="In this state only.")] = None,
) -> Page[schemas.StaffServiceView]:
    """Services with partner and references, oldest first."""
    rows = await queries.list_services(
        session,
        None,
        limit=limit,
        after=decode_cursor(after),
        of_partner=partner_id,
        client_ref=client_ref,
        state=state,
    )
    suspensions = await queries.suspensions_by_service(
        session, None, service_ids=[row.id for row in rows]
    )
    return make_page(
        rows,
        limit=limit,
        row_id=lambda row: row.id,
        item=lambda row: schemas.staff_view(row, suspensions.get(row.id, [])),
    )


@router.get(
    "/services/{service_id}",
    tags=["services"],
    summary="A service",
    responses=declare(*_GATE, catalogue.NOT_FOUND),
)
async def get_service(
    _staff: AnyStaff, session: StaffRead, service_id: UUID
) -> schemas.StaffServiceView:
    """A service with partner and references."""
    row = await queries.find_service(session, None, service_id=service_id)
    if row is None:
        raise not_found("service")
    suspensions = await queries.suspensions_of(session, row.partner_id, service_id=row.id)
    return schemas.staff_view(row, suspensions)


@router.post(
    "/services/{service_id}/suspend",
    status_code=202,
    tags=["services"],
    summary="Suspend in the provider's name",
    responses=declare(*_CHANGE, NOT_THE_PROVIDERS),
)
async def suspend_service(
    staff: OperatorStaff,
    session: StaffWrite,
    service_id: UUID,
    body: schemas.StaffSuspendRequest,
) -> schemas.StaffOperationView:
    """Stop and lock the VM; only the provider lifts it."""
    operation = await actions.suspend_service(
        session, staff, service_id=service_id, actor=body.actor, reason=body.reason
    )
    return schemas.staff_operation(operation)


@router.post(
    "/services/{service_id}/resume",
    status_code=202,
    tags=["services"],
    summary="Lift the provider's suspension",
    responses=declare(*_CHANGE, NOT_THE_PROVIDERS, catalogue.BLOCKED_BY_SUSPENSIONS),
)
async def resume_service(
    staff: OperatorStaff, session: StaffWrite, service_id: UUID, body: schemas.StaffActor
) -> schemas.StaffOperationView:
    """Lift `provider` or `abuse`."""
    operation = await actions.resume_service(
        session, staff, service_id=service_id, actor=body.actor
    )
    return schemas.staff_operation(operation)


@router.post(
    "/services/{service_id}/terminate",
    status_code=202,
    tags=["services"],
    summary="Terminate in the provider's name",
    responses=declare(*_CHANGE),
)
async def terminate_service(
    staff: OperatorStaff, session: StaffWrite, service_id: UUID, body: TerminateRequest
) -> schemas.StaffOperationView:
    """End the service; only the provider restores it."""
    operation = await actions.terminate_service(
        session, staff, service_id=service_id, when=body.when
    )
    return schemas.staff_operation(operation)


@router.post(
    "/services/{service_id}/restore",
    status_code=202,
    tags=["services"],
    summary="Take the provider's termination back",
    description="While it is retained. Needs a term beyond the present, or `renew: true`, which "
    "charges the partner for a term.",
    responses=declare(*_CHANGE, catalogue.INSUFFICIENT_BALANCE),
)
async def restore_service(
    staff: OperatorStaff,
    runtime: RuntimeDep,
    session: StaffWrite,
    service_id: UUID,
    body: schemas.StaffRestoreRequest,
) -> schemas.StaffOperationView:
    """Restore what the provider terminated."""
    operation = await actions.restore_service(
        session,
        staff,
        service_id=service_id,
        renew=body.renew,
        currency=runtime.settings.currency,
    )
    return schemas.staff_operation(operation)


@router.get(
    "/operations",
    tags=["operations"],
    summary="Operations of all partners",
    responses=declare(*_GATE, catalogue.CURSOR_INVALID),
)
async def list_operations(
    _staff: AnyStaff,
    session: StaffRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
    partner_id: Annotated[UUID | None, Query(description="Of this partner only.")] = None,
    service_id: Annotated[UUID | None, Query(description="Of this service only.")] = None,
    state: Annotated[OperationState | None, Query(description="In this state only.")] = None,
) -> Page[schemas.StaffOperationView]:
    """Operations, oldest first; `waiting` ones are those to look at."""
    rows = await queries.list_operations(
        session,
        partner_id,
        limit=limit,
        after=decode_cursor(after),
        service_id=service_id,
        state=state,
    )
    given_up = await queries.find_given_up(session, rows)
    return make_page(
        rows,
        limit=limit,
        row_id=lambda row: row.id,
        item=lambda row: schemas.staff_operation(row, given_up=row.id in given_up),
    )


@router.get(
    "/operations/{operation_id}",
    tags=["operations"],
    summary="An operation",
    responses=declare(*_GATE, catalogue.NOT_FOUND),
)
async def get_operation(
    _staff: AnyStaff, session: StaffRead, operation_id: UUID
) -> schemas.StaffOperationView:
    """An operation with its problem and the ids of its trail."""
    row = await queries.find_operation(session, None, operation_id=operation_id)
    if row is None:
        raise not_found("operation")
    given_up = await queries.find_given_up(session, [row])
    return schemas.staff_operation(row, given_up=bool(given_up))


@router.post(
    "/operations/{operation_id}/retry",
    status_code=202,
    tags=["operations"],
    summary="Try a waiting operation again now",
    responses=declare(*_GATE, catalogue.NOT_FOUND, OPERATION_NOT_RETRYABLE),
)
async def retry_operation(
    staff: OperatorStaff, session: StaffWrite, operation_id: UUID
) -> schemas.StaffOperationView:
    """Put a waiting operation at the head of its line again."""
    operation = await actions.retry_operation(session, staff, operation_id=operation_id)
    return schemas.staff_operation(operation)
