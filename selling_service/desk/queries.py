"""What needs a person, and the trail of a trace: one statement each over the tables of all rooms.

The partner comes first; `None` as partner is the provider's staff, who see all.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import TextClause, text

from shared.contract.trail import MOST_ITEMS, Trail
from shared.kit.bookkeeping.faults import Finding, account_statement, find_faults
from shared.kit.db import ReadSession
from shared.kit.desk import ItemKey, Place
from shared.kit.desk.trail import trail_items
from shared.kit.people import StaffPrincipal
from shared.kit.reconciling import NEEDS_PEOPLE

# How long what has ended as failed stays on the desk, unless somebody dismisses it.
KEPT_ENDS = timedelta(days=30)

_FOUND = f"""
WITH found AS (
    SELECT 'operation' AS kind, o.id, coalesce(o.started_at, o.created_at) AS since,
           CASE WHEN o.state = 'failed' THEN 'failed' WHEN j.state = 'dead' THEN 'stopped'
                ELSE 'waiting' END AS state,
           o.kind AS what, o.problem ->> 'code' AS code, o.problem ->> 'internal' AS detail,
           o.attempts, CASE WHEN j.state = 'ready' THEN j.run_at END AS next_attempt_at,
           o.partner_id, o.service_id, substr(o.traceparent, 4, 32) AS trace_id, o.hold_id
    FROM operations o LEFT JOIN jobs j ON j.id = o.job_id
    WHERE o.state = 'waiting' OR (o.state = 'failed' AND o.finished_at >= :ended_since)
       -- What is being tried again right now doesn't leave the desk for that moment.
       OR (o.state = 'running' AND o.finished_at IS NULL AND o.problem ->> 'code' IS NOT NULL)
    UNION ALL
    SELECT 'service', s.id, s.parked_at, 'parked', 'parking', s.parked_code, s.parked_detail,
           0, NULL, s.partner_id, s.id, NULL, NULL
    FROM services s WHERE s.parked_at IS NOT NULL
    UNION ALL
    SELECT 'account', b.partner_id, b.parked_at, 'parked', 'parking', b.parked_code,
           b.parked_detail, 0, NULL, b.partner_id, NULL, NULL, NULL
    FROM balances b WHERE b.parked_at IS NOT NULL
    UNION ALL
    SELECT 'job', lpad(to_hex(j.id), 32, '0')::uuid, j.created_at, 'dead', j.kind, NULL,
           j.last_error, j.attempts, NULL, j.tenant_id, (j.payload ->> 'service_id')::uuid,
           substr(j.traceparent, 4, 32), NULL
    FROM jobs j WHERE j.state = 'dead' AND j.kind <> 'operation'
    UNION ALL
    SELECT 'difference', d.id, d.first_seen_at, 'differs', d.kind, NULL, d.repair, 0, NULL,
           (d.refs ->> 'partner')::uuid, (d.refs ->> 'service')::uuid, NULL, NULL
    FROM reconciliation_differences d WHERE {NEEDS_PEOPLE}
)
"""  # noqa: S608 - all parts are written here
_DESK = text(f"""
{_FOUND}
SELECT found.*, h.amount AS hold_amount, h.state AS hold_state, b.currency,
       c.holder_id, c.note, c.handed_at, p.name AS holder_name, n.name AS partner_name
FROM found
LEFT JOIN holds h ON h.id = found.hold_id
LEFT JOIN balances b ON b.partner_id = found.partner_id
LEFT JOIN partners n ON n.id = found.partner_id
LEFT JOIN desk_cases c ON c.kind = found.kind AND c.object_id = found.id
LEFT JOIN staff p ON p.id = c.holder_id
WHERE (found.state <> 'failed' OR c.dismissed_at IS NULL)
  AND (cast(:kind AS text) IS NULL OR found.kind = :kind)
  AND (cast(:state AS text) IS NULL OR found.state = :state)
  AND (cast(:partner_id AS uuid) IS NULL OR found.partner_id = :partner_id)
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
WHERE found.state <> 'failed' OR c.dismissed_at IS NULL
GROUP BY found.kind, found.state
""")  # noqa: S608 - all parts are written here

# Only the staff's login may read the audit; and what a job or a platform says is for staff.
_FOR_STAFF = """
    UNION ALL
    SELECT a.at, 0, 'audit', a.action, NULL, a.object_type || ' ' || a.object_id, a.id, NULL
    FROM audit_entries a WHERE substr(a.traceparent, 4, 32) = :trace_id
    UNION ALL
    SELECT j.created_at, 5, 'job', j.kind, j.state, j.last_error, NULL, NULL
    FROM jobs j WHERE substr(j.traceparent, 4, 32) = :trace_id
"""


# Everything under one trace id; within one moment in the order of the work.
_TRAIL = """
WITH ops AS (
    SELECT * FROM operations WHERE substr(traceparent, 4, 32) = :trace_id
        AND (cast(:partner_id AS uuid) IS NULL OR partner_id = :partner_id)
), tries AS (
    SELECT * FROM operation_attempts WHERE trace_id = :trace_id
        AND (cast(:partner_id AS uuid) IS NULL OR partner_id = :partner_id)
), money AS (
    SELECT h.*, b.currency FROM holds h JOIN ops ON h.reference = ops.id
        AND h.partner_id = ops.partner_id JOIN balances b ON b.partner_id = h.partner_id
), found AS (
    SELECT r.received_at AS at, 1 AS rank, 'received' AS kind,
           coalesce(o.kind, 'command') AS what, r.state AS outcome,
           r.problem ->> 'code' AS detail, r.command_id AS id, NULL::bigint AS ms
    FROM received_commands r LEFT JOIN operations o ON o.id = r.operation_id
        AND o.partner_id = r.partner_id
    WHERE substr(r.traceparent, 4, 32) = :trace_id
        AND (cast(:partner_id AS uuid) IS NULL OR r.partner_id = :partner_id)
    UNION ALL
    SELECT created_at, 2, 'operation', kind, 'accepted', actor, id, NULL FROM ops
    UNION ALL
    SELECT created_at, 3, 'money', 'hold', 'open', amount || ' ' || currency, id, NULL FROM money
    UNION ALL
    SELECT started_at, 6, 'attempt', kind || ' ' || number, outcome, {words},
           coalesce(operation_id, service_id),
           round(extract(epoch FROM ended_at - started_at) * 1000)::bigint
    FROM tries t WHERE {own}
    UNION ALL
    SELECT (c ->> 'at')::timestamptz, 7, 'call', c ->> 'call', c ->> 'outcome',
           {said}, t.service_id, (c ->> 'ms')::bigint
    FROM tries t, jsonb_array_elements(t.calls) c WHERE {own}
    UNION ALL
    SELECT closed_at, 8, 'money', 'hold', state, amount || ' ' || currency, id, NULL
    FROM money WHERE closed_at IS NOT NULL
    UNION ALL
    SELECT e.at, 9, 'money', e.kind, 'charged', e.amount || ' ' || b.currency,
           e.transaction_id, NULL
    FROM entries e JOIN ops ON e.reference = ops.id AND e.partner_id = ops.partner_id
    JOIN balances b ON b.partner_id = e.partner_id
    WHERE e.book = 'balance'
    UNION ALL
    SELECT finished_at, 10, 'operation', kind, state, problem ->> 'code', id, NULL
    FROM ops WHERE finished_at IS NOT NULL
    UNION ALL
    SELECT v.at, CASE WHEN v.type = 'operation.accepted' THEN 4 ELSE 11 END, 'event', v.type,
           NULL, 'number ' || v.number, v.id, NULL
    FROM events v
    WHERE substr(v.traceparent, 4, 32) = :trace_id
        AND (cast(:partner_id AS uuid) IS NULL OR v.partner_id = :partner_id)
    {more}
)
SELECT * FROM found ORDER BY at, rank, id LIMIT :limit
"""


def _trail(*, staff: bool) -> TextClause:
    return text(
        _TRAIL.format(
            words="concat_ws(': ', code, problem)" if staff else "code",
            own="true" if staff else "t.operation_id IS NOT NULL",
            said="c ->> 'detail'" if staff else "NULL",
            more=_FOR_STAFF if staff else "",
        )
    )


_TRAIL_OF_ALL, _TRAIL_OF_ONE = _trail(staff=True), _trail(staff=False)


_ACCOUNTS = account_statement("partner_id")
_ONE = "(cast(:service_id AS uuid) IS NULL OR {} = :service_id)"
_SERVICES = f"""
(SELECT h.partner_id AS owner, h.service_id, 'hold_without_work' AS fault,
        'hold ' || h.id || ' of ' || h.amount AS evidence
 FROM holds h WHERE h.state = 'open' AND {_ONE.format("h.service_id")} AND NOT EXISTS (
     SELECT FROM operations o WHERE o.hold_id = h.id AND o.partner_id = h.partner_id
         AND o.finished_at IS NULL) LIMIT :limit)
UNION ALL
(SELECT o.partner_id, o.service_id, 'work_without_hold',
        'operation ' || o.id || ', its hold is ' || h.state
 FROM operations o JOIN holds h ON h.id = o.hold_id
 WHERE o.finished_at IS NULL AND h.state <> 'open' AND {_ONE.format("o.service_id")} LIMIT :limit)
UNION ALL
(SELECT coalesce(t.partner_id, c.partner_id), service_id,
        CASE WHEN coalesce(t.total, 0) > coalesce(c.total, 0) OR coalesce(t.n, 0) > coalesce(c.n, 0)
             THEN 'term_without_charge' ELSE 'charged_twice' END,
        coalesce(t.n, 0) || ' terms for ' || coalesce(t.total, 0) || ', '
        || coalesce(c.n, 0) || ' charges of ' || coalesce(c.total, 0)
 FROM (SELECT partner_id, service_id, count(*) AS n, sum(amount) AS total FROM terms
       WHERE {_ONE.format("service_id")} GROUP BY partner_id, service_id) t
 FULL JOIN (SELECT partner_id, service_id, count(*) AS n, -sum(amount) AS total FROM entries
            WHERE book = 'balance' AND kind IN ('order', 'renewal') AND service_id IS NOT NULL
            AND {_ONE.format("service_id")} GROUP BY partner_id, service_id) c USING (service_id)
 WHERE (t.n, t.total) IS DISTINCT FROM (c.n, c.total) LIMIT :limit)
"""  # noqa: S608 - all parts are written here


async def find_wrong_accounts(session: ReadSession, partner_id: UUID | None) -> Sequence[Finding]:
    """What contradicts itself in partners' accounts."""
    return await find_faults(session, _ACCOUNTS, owner=partner_id)


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
    partner_id: UUID | None = None
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
    """Up to `limit + 1` things that need a person, of all partners, oldest first."""
    values = {
        **asdict(wanted),
        "after_since": after.since if after else None,
        "after_id": after.id if after else None,
        "ended_since": session.clock.now() - KEPT_ENDS,
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
    values = {"ended_since": now - KEPT_ENDS}
    rows = await session.execute(_COUNT, values)
    return [(kind, state, number) for kind, state, number in rows]


async def find_trail(session: ReadSession, partner_id: UUID | None, *, trace_id: str) -> Trail:
    """What is known of a trace; of a partner's own, without the words of the platform."""
    statement = _TRAIL_OF_ALL if partner_id is None else _TRAIL_OF_ONE
    values = {"trace_id": trace_id, "partner_id": partner_id, "limit": MOST_ITEMS + 1}
    rows = (await session.execute(statement, values)).all()
    items, complete = trail_items(rows, side="selling")
    return Trail(trace_id=trace_id, items=items, complete=complete)
