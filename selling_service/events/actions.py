"""Writes facts into partners' feeds and prunes what is old; knows nothing of who reads them."""

import json
from datetime import datetime
from uuid import UUID

from sqlalchemy import text

from shared.contract.basics import Output
from shared.contract.events import EventType
from shared.contract.operations import Operation
from shared.contract.services import ServiceStatus
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.telemetry import current_trace

EVENTS_CHANNEL = "events"

# The feed's row stays locked until the commit: numbers have no gaps and commit in their order.
_EMIT = text("""
WITH feed AS (
    INSERT INTO feeds (partner_id, head) VALUES (:partner_id, 1)
    ON CONFLICT (partner_id) DO UPDATE SET head = feeds.head + 1
    RETURNING head
)
INSERT INTO events (partner_id, number, id, type, at, installation_id, client_ref, service_ref,
                    operation_id, command_id, traceparent, body)
SELECT :partner_id, feed.head, :id, :type, :at, :installation_id, :client_ref, :service_ref,
       :operation_id, :command_id, :traceparent, cast(:body AS jsonb)
FROM feed
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
    await session.execute(
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
            "traceparent": current_trace().header(),
            "body": json.dumps(body.model_dump(mode="json")),
        },
    )
    session.hint(EVENTS_CHANNEL, str(partner_id))


async def prune_events(session: WriteSession, *, before: datetime, limit: int) -> int:
    """Delete up to `limit` events older than `before`; how many.

    The newest of the old ones stays, so that a reader who stands there can go on.
    """
    result = await session.execute(_PRUNE, {"before": before, "limit": limit})
    return len(result.all())
