"""What needs a person, and the trail of a trace: one statement each over the tables of all rooms.

For staff only. Of a client nothing is known here but an opaque id.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text

from reselling_service.commands.models import Command
from reselling_service.desk.rules import PATIENCE
from reselling_service.sellers.models import Seller
from reselling_service.sellers.queries import SellerAccess, access_of
from shared.contract.trail import MOST_ITEMS, TrailItem
from shared.kit.bookkeeping.faults import Finding, account_statement, find_faults
from shared.kit.db import ReadSession
from shared.kit.desk import ItemKey, Place
from shared.kit.desk.trail import trail_items
from shared.kit.people import StaffPrincipal
from shared.kit.reconciling import NEEDS_PEOPLE

# How long what has ended as failed or refused stays on the desk, unless somebody dismisses it.
KEPT_ENDS = timedelta(days=30)
MOST_SELLERS = 5

_FOUND = f"""
WITH found AS (
    SELECT 'command' AS kind, c.id, coalesce(c.settled_at, c.created_at) AS since,
           CASE WHEN c.settled_at IS NOT NULL OR c.state = 'cancelling' THEN c.state
                WHEN c.state = 'accepted' THEN 'waiting'
                WHEN c.attempts = 0 THEN 'unsent' ELSE 'unanswered' END AS state,
           c.kind AS what,
           coalesce(c.problem ->> 'code',
                    CASE WHEN c.settled_at IS NOT NULL OR c.state = 'accepted' THEN NULL
                         WHEN s.parked_at IS NOT NULL THEN 'parked'
                         WHEN c.attempts > 0 THEN coalesce(l.code, 'no_answer')
                         WHEN NOT w.enabled THEN 'seller_disabled'
                         WHEN w.link = 'broken' THEN 'link_broken' END) AS code,
           coalesce(c.problem ->> 'detail', l.detail) AS detail, c.attempts,
           CASE WHEN c.settled_at IS NULL THEN c.next_attempt_at END AS next_attempt_at,
           c.seller_id, c.client_id, c.service_id, substr(c.traceparent, 4, 32) AS trace_id,
           c.hold_id
    FROM commands c JOIN sellers w ON w.id = c.seller_id
    LEFT JOIN services s ON s.id = c.service_id
    LEFT JOIN LATERAL (SELECT a.code, a.detail FROM command_attempts a
        WHERE a.command_id = c.id AND c.settled_at IS NULL AND c.state <> 'accepted'
        ORDER BY a.id DESC LIMIT 1) l ON true
    WHERE (c.settled_at IS NULL AND c.state <> 'accepted' AND c.created_at <= :patience)
       OR (c.settled_at IS NULL AND c.state = 'accepted' AND c.operation_state = 'waiting')
       OR (c.state IN ('failed', 'refused') AND c.settled_at >= :ended_since)
    UNION ALL
    SELECT 'service', s.id, s.parked_at, 'parked', 'parking', s.parked_code, s.parked_detail, 0,
           NULL, s.seller_id, s.client_id, s.id, NULL, NULL
    FROM services s WHERE s.parked_at IS NOT NULL
    UNION ALL
    SELECT 'unread', s.id, coalesce(s.heard_at, s.created_at), 'unread', 'event', NULL, s.parked,
           0, NULL, s.seller_id, s.client_id, s.id, NULL, NULL
    FROM services s WHERE s.parked IS NOT NULL
    UNION ALL
    SELECT 'account', b.client_id, b.parked_at, 'parked', 'parking', b.parked_code,
           b.parked_detail, 0, NULL, NULL, b.client_id, NULL, NULL, NULL
    FROM balances b WHERE b.parked_at IS NOT NULL
    UNION ALL
    SELECT 'link', w.id, coalesce(w.link_since, w.created_at), 'broken', 'link', NULL,
           w.link_problem, w.failures, w.retry_after, w.id, NULL, NULL, NULL, NULL
    FROM sellers w WHERE w.link = 'broken' AND w.enabled
    UNION ALL
    SELECT 'feed', w.id, coalesce(f.read_at, w.created_at), 'broken', 'feed', NULL, f.problem, 0,
           NULL, w.id, NULL, NULL, NULL, NULL
    FROM sellers w JOIN seller_feeds f ON f.seller_id = w.id
    WHERE f.problem IS NOT NULL AND w.enabled
    UNION ALL
    SELECT 'job', lpad(to_hex(j.id), 32, '0')::uuid, j.created_at, 'dead', j.kind, NULL,
           j.last_error, j.attempts, NULL, NULL, j.tenant_id, (j.payload ->> 'service_id')::uuid,
           substr(j.traceparent, 4, 32), NULL
    FROM jobs j WHERE j.state = 'dead' AND j.kind <> 'forward'
    UNION ALL
    SELECT 'difference', d.id, d.first_seen_at, 'differs', d.kind, NULL, d.repair, 0, NULL,
           (d.refs ->> 'seller')::uuid, NULL, (d.refs ->> 'service')::uuid, NULL, NULL
    FROM reconciliation_differences d WHERE {NEEDS_PEOPLE}
)
"""  # noqa: S608 - all parts are written here
_DESK = text(f"""
{_FOUND}
SELECT found.*, h.amount AS hold_amount, h.state AS hold_state, b.currency,
       c.holder_id, c.note, c.handed_at, p.name AS holder_name, w.name AS seller_name
FROM found
LEFT JOIN holds h ON h.id = found.hold_id
LEFT JOIN balances b ON b.client_id = found.client_id
LEFT JOIN sellers w ON w.id = found.seller_id
LEFT JOIN desk_cases c ON c.kind = found.kind AND c.object_id = found.id
LEFT JOIN staff p ON p.id = c.holder_id
WHERE (found.state NOT IN ('failed', 'refused') OR c.dismissed_at IS NULL)
  AND (cast(:kind AS text) IS NULL OR found.kind = :kind)
  AND (cast(:state AS text) IS NULL OR found.state = :state)
  AND (cast(:seller_id AS uuid) IS NULL OR found.seller_id = :seller_id)
  AND (cast(:holder_id AS uuid) IS NULL OR c.holder_id = :holder_id)
  AND (cast(:id AS uuid) IS NULL OR found.id = :id)
  AND (cast(:since AS timestamptz) IS NULL OR found.since >= :since)
  AND (cast(:after_since AS timestamptz) IS NULL
       OR (found.since, found.id) > (:after_since, cast(:after_id AS uuid)))
ORDER BY found.since, found.id
LIMIT :limit
""")  # noqa: S608 - all parts are written here
_COUNT = text(f"""
{_FOUND}
SELECT found.kind, found.state, count(*)
FROM found LEFT JOIN desk_cases c ON c.kind = found.kind AND c.object_id = found.id
WHERE found.state NOT IN ('failed', 'refused') OR c.dismissed_at IS NULL
GROUP BY found.kind, found.state
""")  # noqa: S608 - all parts are written here

# Within one moment: in the order of `rank`, which is that of the work.
_TRAIL = text("""
WITH wishes AS (
    SELECT * FROM commands WHERE substr(traceparent, 4, 32) = :trace_id
), money AS (
    SELECT h.*, b.currency FROM holds h JOIN wishes w ON h.reference = w.id
        AND h.client_id = w.client_id JOIN balances b ON b.client_id = h.client_id
), found AS (
    SELECT a.at, 0 AS rank, 'audit' AS kind, a.action AS what, NULL AS outcome,
           a.object_type || ' ' || a.object_id AS detail, a.id, NULL::bigint AS ms
    FROM audit_entries a WHERE substr(a.traceparent, 4, 32) = :trace_id
    UNION ALL
    SELECT created_at, 1, 'command', kind, 'wished', asked_by, id, NULL FROM wishes
    UNION ALL
    SELECT created_at, 2, 'money', 'hold', 'open', amount || ' ' || currency, id, NULL FROM money
    UNION ALL
    SELECT j.created_at, 3, 'job', j.kind, j.state, j.last_error, NULL, NULL
    FROM jobs j WHERE substr(j.traceparent, 4, 32) = :trace_id
    UNION ALL
    SELECT t.at - t.milliseconds * interval '1 millisecond', 4, 'sending',
           w.kind || ' ' || t.number, t.outcome,
           concat_ws(' ', t.status, t.code, t.detail), t.command_id, t.milliseconds
    FROM command_attempts t JOIN wishes w ON w.id = t.command_id
    UNION ALL
    SELECT closed_at, 5, 'money', 'hold', state, amount || ' ' || currency, id, NULL
    FROM money WHERE closed_at IS NOT NULL
    UNION ALL
    SELECT e.at, 6, 'money', e.kind, 'charged', e.amount || ' ' || b.currency, e.transaction_id,
           NULL
    FROM entries e JOIN wishes w ON e.reference = w.id AND e.client_id = w.client_id
    JOIN balances b ON b.client_id = e.client_id
    WHERE e.book = 'balance'
    UNION ALL
    SELECT settled_at, 7, 'command', kind, state, problem ->> 'code', id, NULL
    FROM wishes WHERE settled_at IS NOT NULL
)
SELECT * FROM found ORDER BY at, rank, id LIMIT :limit
""")

_ACCOUNTS = account_statement("client_id")
_ONE = "(cast(:service_id AS uuid) IS NULL OR {} = :service_id)"
_SERVICES = f"""
(SELECT h.client_id AS owner, h.service_id, 'hold_without_work' AS fault,
        'hold ' || h.id || ' of ' || h.amount AS evidence
 FROM holds h WHERE h.state = 'open' AND {_ONE.format("h.service_id")} AND NOT EXISTS (
     SELECT FROM commands c WHERE c.id = h.reference AND c.hold_id = h.id
         AND c.settled_at IS NULL) LIMIT :limit)
UNION ALL
(SELECT c.client_id, c.service_id, 'work_without_hold',
        'command ' || c.id || ', its hold is ' || h.state
 FROM commands c JOIN holds h ON h.id = c.hold_id
 WHERE c.settled_at IS NULL AND h.state <> 'open' AND {_ONE.format("c.service_id")} LIMIT :limit)
UNION ALL
(SELECT c.client_id, c.service_id, 'term_without_charge',
        'command ' || c.id || ' succeeded, its hold is ' || h.state
 FROM commands c JOIN holds h ON h.id = c.hold_id
 WHERE c.state = 'succeeded' AND h.state <> 'captured' AND {_ONE.format("c.service_id")}
 LIMIT :limit)
UNION ALL
(SELECT h.client_id, h.service_id,
        CASE WHEN h.state = 'captured' AND coalesce(e.n, 0) = 0 THEN 'term_without_charge'
             ELSE 'charged_twice' END,
        'hold ' || h.id || ' of ' || h.amount || ' is ' || h.state || ', '
        || coalesce(e.n, 0) || ' charges of ' || coalesce(e.total, 0)
 FROM holds h LEFT JOIN (
     SELECT client_id, reference, count(*) AS n, -sum(amount) AS total FROM entries
     WHERE book = 'balance' AND service_id IS NOT NULL AND {_ONE.format("service_id")}
     GROUP BY client_id, reference) e USING (client_id, reference)
 WHERE {_ONE.format("h.service_id")} AND (
     coalesce(e.n, 0) <> (h.state = 'captured')::int
     OR (h.state = 'captured' AND e.total <> h.amount)) LIMIT :limit)
"""  # noqa: S608 - all parts are written here


async def find_wrong_accounts(session: ReadSession, client_id: UUID | None) -> Sequence[Finding]:
    """What contradicts itself in clients' accounts."""
    return await find_faults(session, _ACCOUNTS, owner=client_id)


async def find_wrong_services(
    session: ReadSession, *, service_id: UUID | None = None
) -> Sequence[Finding]:
    """What contradicts itself in the money of services."""
    return await find_faults(session, _SERVICES, service_id=service_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskFilter:
    """What is wanted; None stands for all."""

    kind: str | None = None
    state: str | None = None
    seller_id: UUID | None = None
    holder_id: UUID | None = None
    since: datetime | None = None
    id: UUID | None = None


async def list_desk(
    session: ReadSession,
    _staff: StaffPrincipal,
    wanted: DeskFilter,
    *,
    after: Place | None,
    limit: int,
) -> Sequence[Any]:
    """Up to `limit + 1` things that need a person, oldest first."""
    now = session.clock.now()
    values = {
        **asdict(wanted),
        "after_since": after.since if after else None,
        "after_id": after.id if after else None,
        "ended_since": now - KEPT_ENDS,
        "patience": now - PATIENCE,
        "limit": limit + 1,
    }
    return (await session.execute(_DESK, values)).all()


async def find_row(session: ReadSession, staff: StaffPrincipal, key: ItemKey) -> Any | None:  # noqa: ANN401
    """What the list says of this; None where it needs nobody (any more)."""
    wanted = DeskFilter(kind=key.kind, id=key.id)
    rows = await list_desk(session, staff, wanted, after=None, limit=1)
    return rows[0] if rows else None


async def count_desk(session: ReadSession) -> list[tuple[str, str, int]]:
    """How many things need a person, by kind and state."""
    now = session.clock.now()
    values = {"ended_since": now - KEPT_ENDS, "patience": now - PATIENCE}
    rows = await session.execute(_COUNT, values)
    return [(kind, state, number) for kind, state, number in rows]


async def find_trail(
    session: ReadSession, _staff: StaffPrincipal, *, trace_id: str
) -> tuple[list[TrailItem], bool]:
    """What this side knows of a trace, and whether that is all of it."""
    values = {"trace_id": trace_id, "limit": MOST_ITEMS + 1}
    rows = (await session.execute(_TRAIL, values)).all()
    return trail_items(rows, side="reselling")


async def find_sellers(
    session: ReadSession, _staff: StaffPrincipal, *, trace_id: str
) -> list[SellerAccess]:
    """The ways to the sellers whom this trace led to."""
    trace = text("substr(commands.traceparent, 4, 32) = :trace_id")
    led_to = select(Command.seller_id).where(trace.bindparams(trace_id=trace_id))
    rows = await session.scalars(select(Seller).where(Seller.id.in_(led_to)).limit(MOST_SELLERS))
    return [access_of(session, row) for row in rows]
