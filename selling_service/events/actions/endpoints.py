"""Endpoints for hints: made, removed, enabled again, their secrets replaced.

Each belongs to an installation; another one of the same partner doesn't see it.
"""

import base64
import secrets
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from selling_service.events import queries
from selling_service.events.actions.feed import WEBHOOK_JOB
from selling_service.events.errors import too_many_webhooks, webhook_exists
from selling_service.events.models import WebhookEndpoint
from selling_service.events.rules import MOST_ENDPOINTS, OLD_SECRET_KEPT
from selling_service.partners.rules import PartnerPrincipal
from shared.contract.webhooks import EndpointState
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import cancel_jobs

_SECRET_BYTES = 32


async def add_endpoint(
    session: WriteSession, principal: PartnerPrincipal, *, url: str
) -> tuple[WebhookEndpoint, str]:
    """A new endpoint and its secret. Raises `webhook_exists`, `too_many_webhooks`."""
    await queries.lock_feed(session, principal.partner_id)
    mine = WebhookEndpoint.installation_id == principal.installation_id
    count = await session.scalar(select(func.count()).select_from(WebhookEndpoint).where(mine))
    if (count or 0) >= MOST_ENDPOINTS:
        raise too_many_webhooks(MOST_ENDPOINTS)
    secret = _new_secret()
    values = {
        "id": new_id(),
        "partner_id": principal.partner_id,
        "installation_id": principal.installation_id,
        "url": url,
        "secret": session.vault.encrypt_text(secret),
        "state": EndpointState.ACTIVE,
        "created_at": session.clock.now(),
    }
    made = insert(WebhookEndpoint).values(values).on_conflict_do_nothing()
    row = (await session.scalars(made.returning(WebhookEndpoint))).one_or_none()
    if row is None:
        raise webhook_exists()
    return row, secret


async def remove_endpoint(
    session: WriteSession, principal: PartnerPrincipal, *, endpoint_id: UUID
) -> None:
    """Nothing is sent there any more. Raises `not_found`."""
    row = await queries.lock_endpoint(session, principal, endpoint_id=endpoint_id)
    await session.execute(delete(WebhookEndpoint).where(WebhookEndpoint.id == row.id))
    await cancel_jobs(session, dedupe_key=f"{WEBHOOK_JOB}:{row.id}")


async def rotate_secret(
    session: WriteSession, principal: PartnerPrincipal, *, endpoint_id: UUID
) -> tuple[WebhookEndpoint, str]:
    """A new secret; the old one signs as well for a day. Raises `not_found`."""
    row = await queries.lock_endpoint(session, principal, endpoint_id=endpoint_id)
    secret = _new_secret()
    row.old_secret = row.secret
    row.old_secret_until = session.clock.now() + OLD_SECRET_KEPT
    row.secret = session.vault.encrypt_text(secret)
    await session.flush()
    return row, secret


async def enable_endpoint(
    session: WriteSession, principal: PartnerPrincipal, *, endpoint_id: UUID
) -> WebhookEndpoint:
    """Send there again, from the next event on. Raises `not_found`."""
    row = await queries.lock_endpoint(session, principal, endpoint_id=endpoint_id)
    row.state, row.problem = EndpointState.ACTIVE, None
    await session.flush()
    return row


def _new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
