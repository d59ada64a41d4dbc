"""HTTP of the staff's desk for clients.

`app.state.client_in_use` answers whether a service of a client lives; `main` sets it.
"""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from reselling_service.clients import queries
from reselling_service.clients.actions import profile
from reselling_service.clients.actions.profile import InUse
from reselling_service.clients.errors import CLIENT_CLOSED, CLIENT_IN_USE, EMAIL_TAKEN
from reselling_service.clients.models import Client
from reselling_service.clients.routes.common import own_view, profile_of
from reselling_service.clients.rules import ClientState
from reselling_service.clients.schemas import ClientChange, ClientCreate, ClientView
from reselling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import Page
from shared.contract.problems import (
    CURSOR_INVALID,
    INVALID_REQUEST,
    NOT_FOUND,
    UNAUTHORIZED,
)
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import ROLE_REQUIRED, WITH_BODY
from shared.kit.principals import ClientId
from shared.kit.problems import declare
from shared.kit.text import Line

router = APIRouter(prefix="/clients", tags=["clients"])
_ONE = (UNAUTHORIZED, NOT_FOUND, INVALID_REQUEST)


@router.post(
    "",
    status_code=201,
    summary="Make a client",
    description="Without a password the client can't log in until staff gives one.",
    responses=declare(UNAUTHORIZED, ROLE_REQUIRED, EMAIL_TAKEN, *WITH_BODY),
)
async def create_client(
    body: ClientCreate, staff: OperatorStaff, session: StaffWrite
) -> ClientView:
    """For owner and operator."""
    client = await profile.create(
        session, staff, profile_of(body), password=body.password, note=body.note
    )
    return _view(client)


@router.get(
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


@router.get("/{client_id}", summary="One client", responses=declare(*_ONE))
async def read_client(client_id: UUID, _person: AnyStaff, session: StaffRead) -> ClientView:
    """With the staff's note."""
    return _view(await queries.get_client(session, ClientId(client_id)))


@router.patch(
    "/{client_id}",
    summary="Change a client",
    description="A new password or e-mail address ends the client's sessions.",
    responses=declare(*_ONE, ROLE_REQUIRED, EMAIL_TAKEN, CLIENT_CLOSED, *WITH_BODY),
)
async def change_client(
    client_id: UUID, body: ClientChange, staff: OperatorStaff, session: StaffWrite
) -> ClientView:
    """Fields that are left out stay as they are."""
    changes = body.model_dump(exclude_unset=True, exclude={"password"})
    client = await profile.change(
        session, staff, ClientId(client_id), changes, password=body.password or None
    )
    return _view(client)


@router.post(
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


def _view(client: Client) -> ClientView:
    return ClientView(
        **own_view(client).model_dump(),
        state=client.state,
        note=client.note,
        can_log_in=client.password_hash is not None and client.state == ClientState.ACTIVE,
    )
