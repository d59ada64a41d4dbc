"""HTTP of services for clients: each sees and moves what is theirs.

A client's id comes first in each query, and row-level security stands behind it: somebody else's
service is a 404 like one that doesn't exist.
"""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from fastapi import APIRouter

from reselling_service.database import ClientRead, ClientWrite
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
from reselling_service.services.rules import Asker, Cause, Side
from reselling_service.services.schemas import (
    ClientServiceView,
    Rename,
    Renew,
    Restore,
    ServiceChange,
    Terminate,
    client_view,
)
from shared.contract.basics import Page, SuspensionReason
from shared.contract.problems import (
    CURSOR_INVALID,
)
from shared.kit.db import ReadSession, WriteSession
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.principals import CurrentClient
from shared.kit.problems import declare

router = APIRouter(prefix="/services", tags=["services"])
_BY_CLIENT = Asker(side=Side.CLIENT, name="client")


async def _for_client(session: ReadSession, services: Sequence[Service]) -> list[ClientServiceView]:
    suspensions = await queries.find_suspensions(session, services)
    commands = await queries.find_open_commands(session, services)
    return [
        client_view(row, suspensions[row.id], commands[row.id], vault=session.vault)
        for row in services
    ]


async def _by_client(
    session: WriteSession, client_id: CurrentClient, service_id: UUID, wish: Wish
) -> ClientServiceView:
    service = await queries.lock_service(session, client_id, service_id=service_id)
    await wish(service, _BY_CLIENT)
    return (await _for_client(session, [service]))[0]


@router.get("", summary="Your services", responses=declare(*ONE, CURSOR_INVALID))
async def list_own_services(
    client_id: CurrentClient,
    session: ClientRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[ClientServiceView]:
    """Oldest first, each with its state in plain words and what is under way."""
    rows = await queries.list_services(session, client_id, after=decode_cursor(after), limit=limit)
    shown = await _for_client(session, rows)
    return make_page(shown, limit=limit, row_id=lambda row: row.id, item=lambda row: row)


@router.get("/{service_id}", summary="One of your services", responses=declare(*ONE))
async def get_own_service(
    client_id: CurrentClient, session: ClientRead, service_id: ServiceId
) -> ClientServiceView:
    """State, addresses, term, and what is under way."""
    service = await queries.get_service(session, client_id, service_id=service_id)
    return (await _for_client(session, [service]))[0]


@router.patch("/{service_id}", summary="Change display name or renewal", responses=declare(*WISH))
async def change_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId, change: ServiceChange
) -> ClientServiceView:
    """Both stay here; the provider hears of neither."""
    return await _by_client(session, client_id, service_id, changing(session, change))


@router.post(
    "/{service_id}/suspend",
    status_code=202,
    summary="Suspend your service",
    responses=declare(*WISH),
)
async def suspend_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId
) -> ClientServiceView:
    """The VM is stopped and nobody starts it until you resume it. The term runs on."""
    wish = partial(actions.suspend, session, cause=Cause.CLIENT, reason=SuspensionReason.REQUESTED)
    return await _by_client(session, client_id, service_id, wish)


@router.post(
    "/{service_id}/resume",
    status_code=202,
    summary="Lift your own suspension",
    responses=declare(*WISH, NOT_YOURS_TO_RESUME),
)
async def resume_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId
) -> ClientServiceView:
    """Others' suspensions stay; where only those stand, they are named."""
    wish = partial(actions.resume, session, cause=Cause.CLIENT)
    return await _by_client(session, client_id, service_id, wish)


@router.post(
    "/{service_id}/start",
    status_code=202,
    summary="Start the VM",
    responses=declare(*WISH, SERVICE_SUSPENDED),
)
async def start_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId
) -> ClientServiceView:
    """A suspended service isn't started: `blockers` say by whom it is suspended."""
    wish = partial(actions.start, session)
    return await _by_client(session, client_id, service_id, wish)


@router.post(
    "/{service_id}/stop",
    status_code=202,
    summary="Stop the VM",
    responses=declare(*WISH),
)
async def stop_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId
) -> ClientServiceView:
    """Nothing is sent where it is stopped already."""
    wish = partial(actions.stop, session)
    return await _by_client(session, client_id, service_id, wish)


@router.post(
    "/{service_id}/restart",
    status_code=202,
    summary="Restart the VM",
    responses=declare(*WISH, SERVICE_SUSPENDED),
)
async def restart_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId
) -> ClientServiceView:
    """A repeated click joins the restart that is under way."""
    wish = partial(actions.restart, session)
    return await _by_client(session, client_id, service_id, wish)


@router.post(
    "/{service_id}/rename",
    status_code=202,
    summary="Change the host name",
    responses=declare(*WISH, UNDER_WAY),
)
async def rename_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId, body: Rename
) -> ClientServiceView:
    """The VM sees it at its next start."""
    wish = partial(actions.rename, session, hostname=body.hostname)
    return await _by_client(session, client_id, service_id, wish)


@router.post(
    "/{service_id}/terminate",
    status_code=202,
    summary="End your service",
    responses=declare(*WISH),
)
async def terminate_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId, body: Terminate
) -> ClientServiceView:
    """Now, or when the paid term is over. It is no longer renewed."""
    wish = partial(actions.terminate, session, when=body.when)
    return await _by_client(session, client_id, service_id, wish)


@router.post(
    "/{service_id}/restore",
    status_code=202,
    summary="Take your termination back",
    responses=declare(*WISH, *RESTORES),
)
async def restore_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId, body: Restore
) -> ClientServiceView:
    """As long as its data is kept; a term that is over must be renewed with it."""
    wish = partial(actions.restore, session, with_renewal=body.renew)
    return await _by_client(session, client_id, service_id, wish)


@router.post(
    "/{service_id}/renew",
    status_code=202,
    summary="Prolong by one term",
    responses=declare(*WISH, *RENEWS),
)
async def renew_own_service(
    client_id: CurrentClient, session: ClientWrite, service_id: ServiceId, body: Renew
) -> ClientServiceView:
    """The price is held now and charged when the provider has prolonged it."""
    wish = partial(actions.renew, session, paid_until=body.paid_until)
    return await _by_client(session, client_id, service_id, wish)
