"""HTTP of privacy: all that is held about a client, for them and for staff; and its end."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Response

from reselling_service.database import ClientRead, RuntimeDep
from reselling_service.privacy.actions import erase, export
from reselling_service.privacy.errors import ERASURE_BLOCKED
from reselling_service.privacy.schemas import ClientExport, ErasureView, ErasureWish
from reselling_service.staff.routes import AnyStaff, OperatorStaff, OwnerStaff
from shared.contract.problems import INVALID_REQUEST, NOT_FOUND, UNAUTHORIZED
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES, WITH_BODY
from shared.kit.principals import ClientId, CurrentClient
from shared.kit.problems import declare
from shared.kit.sheets import CSV_MEDIA_TYPE

_client = APIRouter(tags=["privacy"])
_staff = APIRouter(prefix="/clients/{client_id}", tags=["privacy"])
client_routers = [_client]
staff_routers = [_staff]

OfClient = Annotated[UUID, Path(description="Id of the client.")]
_SHEET: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}}
}
_AS_FILE = {"Content-Disposition": 'attachment; filename="statement.csv"'}


@_client.get("/export", summary="All that we hold about you", responses=declare(UNAUTHORIZED))
async def export_own_data(
    client_id: CurrentClient, session: ClientRead, runtime: RuntimeDep
) -> ClientExport:
    """Profile, logins, money, services, orders, and what our staff changed."""
    # The audit alone is behind a wall that clients' transactions don't reach over.
    async with runtime.staff.read() as audits:
        return await export.export_client(session, client_id, audits=audits)


@_client.get(
    "/statement.csv",
    summary="Your statement for a spreadsheet",
    response_class=Response,
    responses=declare(UNAUTHORIZED) | _SHEET,
)
async def read_own_statement_sheet(client_id: CurrentClient, session: ClientRead) -> Response:
    """Amounts in minor units. No cell is a formula."""
    return _sheet(await export.statement_sheet(session, client_id))


@_staff.get(
    "/export",
    summary="All that is held about a client",
    description="To be handed to the client who asks for it. For owner and operator.",
    responses=declare(*FOR_SOME_ROLES, NOT_FOUND, INVALID_REQUEST),
)
async def export_client_data(
    client_id: OfClient, _person: OperatorStaff, session: StaffRead
) -> ClientExport:
    """As the client would get it."""
    return await export.export_client(session, ClientId(client_id), audits=session)


@_staff.get(
    "/statement.csv",
    summary="A client's statement for a spreadsheet",
    response_class=Response,
    responses=declare(UNAUTHORIZED, NOT_FOUND, INVALID_REQUEST) | _SHEET,
)
async def read_statement_sheet(
    client_id: OfClient, _person: AnyStaff, session: StaffRead
) -> Response:
    """Amounts in minor units. No cell is a formula."""
    return _sheet(await export.statement_sheet(session, ClientId(client_id)))


@_staff.post(
    "/erase",
    summary="Forget a client for ever",
    description="Name, address, notes, logins and what they called their services go, also in the "
    "audit; money rows stay with a client without a name. Refused while services may live, money "
    "is held or a balance is left: see blockers. For owners; there is no way back.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND, ERASURE_BLOCKED),
)
async def erase_client(
    client_id: OfClient, body: ErasureWish, owner: OwnerStaff, session: StaffWrite
) -> ErasureView:
    """Asked again, it answers since when they are forgotten."""
    client = await erase.erase_client(session, owner, ClientId(client_id), paid_out=body.paid_out)
    return ErasureView(client_id=client.id, erased_at=client.erased_at or session.clock.now())


def _sheet(text: str) -> Response:
    return Response(text, media_type=CSV_MEDIA_TYPE, headers=_AS_FILE)
