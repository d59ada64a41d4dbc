"""Hints from sellers: where one sends them, and whether what came is from it.

What a hint says is never looked at: it wakes the reader of the feed, and no more.
"""

from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import select
from standardwebhooks import Webhook, WebhookVerificationError

from reselling_service.sellers.models import Seller
from reselling_service.sellers.queries import lock_seller
from reselling_service.staff.actions import audit
from shared.contract.webhooks import WebhookEndpointSecret
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people import StaffPrincipal

HOOKS_PATH = "/hooks"


async def keep_hook(
    session: WriteSession,
    staff: StaffPrincipal,
    *,
    seller_id: UUID,
    endpoint: WebhookEndpointSecret | None,
) -> Seller:
    """Keep the seller's endpoint for us with its secret, or forget it (None)."""
    row = await lock_seller(session, seller_id=seller_id)
    row.hook_id = endpoint.id if endpoint else None
    row.hook_secret = session.vault.encrypt_text(endpoint.secret) if endpoint else None
    await session.flush()
    after = {"endpoint_id": str(endpoint.id), "url": endpoint.url} if endpoint else None
    await audit(
        session, staff, "seller.webhook", object_type="seller", object_id=seller_id, after=after
    )
    return row


async def is_from_seller(
    session: ReadSession, *, seller_id: UUID, headers: Mapping[str, str], body: bytes
) -> bool:
    """Whether this seller has signed it in the last five minutes."""
    statement = select(Seller.hook_secret).where(Seller.id == seller_id, Seller.enabled)
    secret = (await session.scalars(statement)).one_or_none()
    if secret is None:
        return False
    try:
        Webhook(session.vault.decrypt_text(secret)).verify(body, dict(headers), json_parse=False)
    except (WebhookVerificationError, ValueError):
        # Its own error, or what it lets through of a signature or a body that can't be read.
        return False
    return True
