"""Writes facts into partners' feeds and prunes what is old; knows nothing of who reads them.

With each fact, the endpoints of the partner's webhooks get their job: one each, in one statement.
"""

import json
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, text

from selling_service.events.models import WebhookDelivery
from selling_service.events.rules import MOST_ATTEMPTS
from shared.contract.basics import Output
from shared.contract.events import EventType
from shared.contract.operations import Operation
from shared.contract.services import ServiceStatus
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs.queue import JOBS_CHANNEL
from shared.kit.jobs.table import NORMAL
from shared.kit.telemetry import SpanKind, in_span

EVENTS_CHANNEL = "events"
WEBHOOK_JOB = "webhook"

# The feed's row stays locked until the commit: numbers have no gaps and commit in their order.
# An endpoint has one job. One that is being worked on runs once more, one that waits for its next
# attempt goes on waiting, and a dead one begins anew. It belongs to the trace of the latest event.
_EMIT = text("""
WITH feed AS (
    INSERT INTO feeds (partner_id, head) VALUES (:partner_id, 1)
    ON CONFLICT (partner_id) DO UPDATE SET head = feeds.head + 1
    RETURNING head
), event AS (
    INSERT INTO events (partner_id, number, id, type, at, installation_id, client_ref, service_ref,
                        operation_id, command_id, traceparent, body)
    SELECT :partner_id, feed.head, :id, :type, :at, :installation_id, :client_ref, :service_ref,
           :operation_id, :command_id, :traceparent, cast(:body AS jsonb)
    FROM feed
), hint AS (
    INSERT INTO jobs AS j (kind, priority, tenant_id, payload, dedupe_key, state, run_at, attempts,
                           claims, max_attempts, traceparent, created_at)
    SELECT :job, :priority, :partner_id, jsonb_build_object('endpoint_id', e.id),
           :job || ':' || e.id, 'ready', :at, 0, 0, :most, :traceparent, :at
    FROM webhook_endpoints e
    WHERE e.partner_id = :partner_id AND e.state = 'active'
    ORDER BY e.id
    ON CONFLICT (dedupe_key) DO UPDATE SET
        traceparent = excluded.traceparent,
        again_at = CASE WHEN j.state = 'running' THEN excluded.run_at END,
        run_at = CASE WHEN j.state = 'dead' THEN excluded.run_at ELSE j.run_at END,
        attempts = CASE WHEN j.state = 'dead' THEN 0 ELSE j.attempts END,
        state = CASE WHEN j.state = 'dead' THEN 'ready' ELSE j.state END
    RETURNING id
)
SELECT count(*) FROM hint
""")

_PRUNE = text("""
WITH old AS (
    SELECT partner_id, max(number) AS last FROM events WHERE at < :before GROUP BY partner_id
), gone AS (
    SELECT e.partner_id, e.number FROM events e JOIN old ON old.partner_id = e.partner_id
    WHERE e.number < old.last
    LIMIT :limit
)
DELETE FROM events e USING gone WHERE e.partner_id = gone.partner_id AND e.number = gone.number
RETURNING e.number
""")


class EventBody(Output):
    """What an event carries besides its refs: the new public state."""

    service: ServiceStatus | None
    operation: Operation | None


async def emit(
    session: WriteSession,
    partner_id: UUID,
    *,
    type: EventType,  # noqa: A002 - the wire's word for it
    installation_id: UUID | None,
    service: ServiceStatus | None,
    operation: Operation | None,
) -> None:
    """Add a fact to the partner's feed, last of all: the feed's lock is held until the commit."""
    body = EventBody(service=service, operation=operation)
    subject = service or operation
    # What is done with the fact elsewhere is a child of this step.
    with in_span(f"event {type.value}", kind=SpanKind.PRODUCER) as span:
        hinted = await session.scalar(
            _EMIT,
            {
                "partner_id": partner_id,
                "id": new_id(),
                "type": type.value,
                "at": session.clock.now(),
                "installation_id": installation_id,
                "client_ref": service.client_ref if service else None,
                "service_ref": subject.service_ref if subject else None,
                "operation_id": operation.id if operation else None,
                "command_id": operation.command_id if operation else None,
                "traceparent": span.trace.header(),
                "body": json.dumps(body.model_dump(mode="json")),
                "job": WEBHOOK_JOB,
                "priority": NORMAL,
                "most": MOST_ATTEMPTS,
            },
        )
    session.hint(EVENTS_CHANNEL, str(partner_id))
    if hinted:
        session.hint(JOBS_CHANNEL)


async def prune_events(session: WriteSession, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` events older than `before`; how many.

    The newest of the old ones stays, so that a reader who stands there can go on.
    """
    result = await session.execute(_PRUNE, {"before": before, "limit": limit})
    return len(result.all())


async def prune_deliveries(session: WriteSession, *, before: datetime) -> None:
    """Forget hints older than `before`, but those that are still tried."""
    old = (WebhookDelivery.created_at < before, WebhookDelivery.state != "pending")
    await session.execute(delete(WebhookDelivery).where(*old))
