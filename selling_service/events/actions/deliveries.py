"""Hints on their way: one at a time per endpoint, its attempts counted before they are made."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select, update

from selling_service.events import queries
from selling_service.events.actions.feed import WEBHOOK_JOB
from selling_service.events.models import Feed, WebhookDelivery, WebhookEndpoint
from selling_service.events.rules import MOST_ATTEMPTS, Attempt
from selling_service.partners.rules import PartnerPrincipal
from shared.contract.webhooks import (
    HINT_TYPE,
    DeliveryState,
    EndpointState,
    HintData,
    WebhookHint,
)
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue


async def begin_attempt(
    session: WriteSession, partner_id: UUID, *, endpoint_id: UUID
) -> Attempt | None:
    """Count the next attempt; None where the endpoint is gone or disabled.

    The hint that is under way goes again, word for word; without one, a new one is made.
    """
    endpoint = await queries.find_endpoint(session, partner_id, endpoint_id=endpoint_id)
    if endpoint is None or endpoint.state != EndpointState.ACTIVE:
        return None
    delivery = await queries.find_pending(session, partner_id, endpoint_id=endpoint_id)
    now = session.clock.now()
    if delivery is None:
        head = await session.scalar(select(Feed.head).where(Feed.partner_id == partner_id))
        delivery = WebhookDelivery(
            id=new_id(),
            partner_id=partner_id,
            endpoint_id=endpoint_id,
            head=head or 0,
            state=DeliveryState.PENDING,
            attempts=0,
            created_at=now,
        )
        session.add(delivery)
    delivery.attempts += 1
    delivery.attempted_at, delivery.next_attempt_at = now, None
    await session.flush()
    return Attempt(
        delivery_id=delivery.id,
        endpoint_id=endpoint_id,
        number=delivery.attempts,
        url=endpoint.url,
        secrets=_secrets(session, endpoint, now),
        body=_body(endpoint, delivery),
    )


async def record_success(session: WriteSession, attempt: Attempt, *, status: int) -> None:
    """The receiver has it."""
    await _record(
        session, attempt, state=DeliveryState.DELIVERED, status=status, problem=None, again_at=None
    )


async def record_failure(
    session: WriteSession,
    attempt: Attempt,
    *,
    status: int | None,
    problem: str,
    after: float | None,
) -> None:
    """It didn't arrive: it goes again `after` seconds from now, or not at all (None)."""
    again_at = None if after is None else session.clock.now() + timedelta(seconds=after)
    state = DeliveryState.FAILED if after is None else DeliveryState.PENDING
    await _record(session, attempt, state=state, status=status, problem=problem, again_at=again_at)


async def disable(session: WriteSession, attempt: Attempt, *, status: int, problem: str) -> None:
    """The receiver is gone for good (410): nothing is sent until the endpoint is enabled again."""
    await record_failure(session, attempt, status=status, problem=problem, after=None)
    await session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == attempt.endpoint_id)
        .values(state=EndpointState.DISABLED)
        .execution_options(synchronize_session=False)
    )


async def redeliver(
    session: WriteSession, principal: PartnerPrincipal, *, endpoint_id: UUID, delivery_id: UUID
) -> WebhookDelivery:
    """Send a hint again now, under its own id, unless another one is under way meanwhile.

    Raises `not_found`.
    """
    await queries.lock_endpoint(session, principal, endpoint_id=endpoint_id)
    row = await queries.get_delivery(
        session, principal, endpoint_id=endpoint_id, delivery_id=delivery_id
    )
    pending = await queries.find_pending(session, principal.partner_id, endpoint_id=endpoint_id)
    if pending is None:
        row.state, row.attempts = DeliveryState.PENDING, 0
        row.next_attempt_at = session.clock.now()
        await session.flush()
    await enqueue(
        session,
        WEBHOOK_JOB,
        payload={"endpoint_id": endpoint_id},
        tenant_id=principal.partner_id,
        dedupe_key=f"{WEBHOOK_JOB}:{endpoint_id}",
        max_attempts=MOST_ATTEMPTS,
    )
    return row


async def _record(
    session: WriteSession,
    attempt: Attempt,
    *,
    state: DeliveryState,
    status: int | None,
    problem: str | None,
    again_at: datetime | None,
) -> None:
    # The endpoint first: whoever removes it takes its deliveries with it, in that order.
    await session.execute(
        update(WebhookEndpoint)
        .where(WebhookEndpoint.id == attempt.endpoint_id)
        .values(problem=problem)
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(WebhookDelivery)
        .where(WebhookDelivery.id == attempt.delivery_id)
        .values(state=state, status=status, problem=problem, next_attempt_at=again_at)
        .execution_options(synchronize_session=False)
    )


def _secrets(session: WriteSession, endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    found = [session.vault.decrypt_text(endpoint.secret)]
    until = endpoint.old_secret_until
    if endpoint.old_secret is not None and until is not None and now < until:
        found.append(session.vault.decrypt_text(endpoint.old_secret))
    return found


def _body(endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> str:
    hint = WebhookHint(
        type=HINT_TYPE,
        timestamp=delivery.created_at,
        data=HintData(installation_id=endpoint.installation_id, head=delivery.head),
    )
    return hint.model_dump_json()
