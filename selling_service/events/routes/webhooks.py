"""`/webhook-endpoints`: where an installation wants hints that its feed has news."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter

from selling_service.database import RuntimeDep
from selling_service.events import actions, queries, schemas
from selling_service.events.webhooks import check_url
from selling_service.partners.routes import FOR_KEYS, PartnerRead, PartnerWrite, needs
from selling_service.partners.rules import PartnerPrincipal
from shared.contract import problems as catalogue
from shared.contract.basics import Page, Scope
from shared.contract.webhooks import (
    NewWebhookEndpoint,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEndpointSecret,
)
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.problems import declare

router = APIRouter(prefix="/webhook-endpoints", tags=["webhooks"])
Principal = Annotated[PartnerPrincipal, needs(Scope.EVENTS_READ)]

_ONE = (*FOR_KEYS, catalogue.INVALID_REQUEST, catalogue.NOT_FOUND)


@router.post(
    "",
    status_code=201,
    summary="Send hints to an address",
    description="A hint says that the feed has news, and no more: read the feed. Hints are signed "
    "as Standard Webhooks says, and go again for three days until they are taken with a 2xx; 410 "
    "disables the endpoint. One hint is under way at a time, however much happens.",
    responses=declare(
        *FOR_KEYS,
        catalogue.MALFORMED_REQUEST,
        catalogue.INVALID_REQUEST,
        catalogue.WEBHOOK_ADDRESS,
        catalogue.WEBHOOK_EXISTS,
        catalogue.TOO_MANY_WEBHOOKS,
    ),
)
async def create_webhook_endpoint(
    runtime: RuntimeDep, principal: Principal, session: PartnerWrite, new: NewWebhookEndpoint
) -> WebhookEndpointSecret:
    """The secret is shown this once."""
    check_url(new.url, private_addresses=runtime.settings.webhook_private_addresses)
    row, secret = await actions.add_endpoint(session, principal, url=new.url)
    return schemas.endpoint_secret(row, secret)


@router.get("", summary="List the endpoints for hints", responses=declare(*FOR_KEYS))
async def list_webhook_endpoints(
    principal: Principal, session: PartnerRead
) -> Page[WebhookEndpoint]:
    """Those of the key's installation: ten at the most, so that there is one page."""
    rows = await queries.list_endpoints(session, principal)
    return Page(items=[schemas.endpoint(row) for row in rows], next=None)


@router.delete(
    "/{endpoint_id}", status_code=204, summary="Send no more hints", responses=declare(*_ONE)
)
async def delete_webhook_endpoint(
    principal: Principal, session: PartnerWrite, endpoint_id: UUID
) -> None:
    """With everything that is under way to it."""
    await actions.remove_endpoint(session, principal, endpoint_id=endpoint_id)


@router.post("/{endpoint_id}/rotate-secret", summary="Replace the secret", responses=declare(*_ONE))
async def rotate_webhook_secret(
    principal: Principal, session: PartnerWrite, endpoint_id: UUID
) -> WebhookEndpointSecret:
    """For a day, hints carry a signature of each, the new one first."""
    row, secret = await actions.rotate_secret(session, principal, endpoint_id=endpoint_id)
    return schemas.endpoint_secret(row, secret)


@router.post("/{endpoint_id}/enable", summary="Send hints again", responses=declare(*_ONE))
async def enable_webhook_endpoint(
    principal: Principal, session: PartnerWrite, endpoint_id: UUID
) -> WebhookEndpoint:
    """After a 410 had disabled the endpoint; from the next event on."""
    return schemas.endpoint(
        await actions.enable_endpoint(session, principal, endpoint_id=endpoint_id)
    )


@router.get(
    "/{endpoint_id}/deliveries",
    summary="What became of the hints",
    responses=declare(*_ONE, catalogue.CURSOR_INVALID),
)
async def list_webhook_deliveries(
    principal: Principal,
    session: PartnerRead,
    endpoint_id: UUID,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[WebhookDelivery]:
    """Newest first; kept for 30 days."""
    rows = await queries.list_deliveries(
        session, principal, endpoint_id=endpoint_id, after=decode_cursor(after), limit=limit
    )
    return make_page(rows, limit=limit, row_id=lambda row: row.id, item=schemas.delivery)


@router.post(
    "/{endpoint_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    summary="Send a hint again",
    responses=declare(*_ONE),
)
async def redeliver_webhook(
    principal: Principal, session: PartnerWrite, endpoint_id: UUID, delivery_id: UUID
) -> WebhookDelivery:
    """Now, under the same `webhook-id`. Where another one is under way, that one goes at once."""
    row = await actions.redeliver(
        session, principal, endpoint_id=endpoint_id, delivery_id=delivery_id
    )
    return schemas.delivery(row)
