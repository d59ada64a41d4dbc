"""What must hold in both databases once a pair has come to rest, whatever was done to it before.

Each check is a SELECT that finds what is wrong: it must find nothing. The two databases are
compared here and nowhere else, since no service can see both.
"""

import time
from collections.abc import Mapping
from typing import Any

from local_stack.demo.callers import pause_after
from shared.contract.events import make_cursor
from tests.journeys.behind import Row, rows
from tests.journeys.stack import Stack

MOST_SHOWN = 600
# What carries commands and operations, or should have been done; all else is for a later time.
# Jobs wait by the sandbox's clock; one that is due is done at once, but for a busy machine.
_JOBS_LEFT = """
    SELECT kind, state, run_at, attempts, last_error, payload FROM jobs WHERE (lane IS NOT NULL
        OR kind IN ('operation', 'forward', 'cancel_command', 'command_settled')
        OR state = 'ready' AND run_at < clock_timestamp() - interval '10 s'
            + interval '1 s' * ({ahead} + coalesce((SELECT offset_seconds FROM sandbox_clock), 0)))
"""
# A seller that staff has disabled is left alone: its commands wait until it is enabled, and what
# becomes of its services isn't heard.
_OF_DISABLED = """EXISTS (
    SELECT FROM commands c JOIN sellers s ON s.id = c.seller_id
    WHERE NOT s.enabled AND c.id::text = payload ->> 'command_id'
)"""
_OPEN_COMMANDS = """
    SELECT c.id, c.kind, c.state, c.attempts, c.next_attempt_at, s.link, s.retry_after
    FROM commands c JOIN sellers s ON s.id = c.seller_id WHERE settled_at IS NULL AND s.enabled
"""
_OPEN_OPERATIONS = (
    "SELECT id, kind, state, attempts, problem FROM operations WHERE finished_at IS NULL"
)

# What holds at every moment: each transaction moves from one such state to another.
_ALWAYS = {
    "a transaction that does not sum to zero": (
        "SELECT transaction_id, sum(amount) FROM entries GROUP BY 1 HAVING sum(amount) <> 0"
    ),
    "a balance that is not the sum of its entries, or that holds other than its holds": """
        SELECT b.*, e.total, h.total FROM balances b LEFT JOIN (
            SELECT {tenant}, sum(amount) AS total FROM entries WHERE book = 'balance' GROUP BY 1
        ) e USING ({tenant}) LEFT JOIN (
            SELECT {tenant}, sum(amount) AS total FROM holds WHERE state = 'open' GROUP BY 1
        ) h USING ({tenant})
        WHERE b.balance <> coalesce(e.total, 0) OR b.held <> coalesce(h.total, 0)
    """,
    "a balance below its limit": ("SELECT * FROM balances WHERE balance - held + credit_limit < 0"),
    "a captured hold that was not charged exactly once, or another one that was": """
        SELECT h.id, h.state, h.amount, count(e.id), sum(e.amount) FROM holds h
        LEFT JOIN entries e ON e.reference = h.reference AND e.book = 'balance'
            AND e.{tenant} = h.{tenant}
        GROUP BY h.id HAVING NOT (
            h.state = 'captured' AND count(e.id) = 1 AND sum(e.amount) = -h.amount
            OR h.state <> 'captured' AND count(e.id) = 0)
    """,
}

_AT_REST = {
    "a hold that is neither captured nor released": "SELECT * FROM holds WHERE state = 'open'",
    "a dead job": "SELECT kind, last_error FROM jobs WHERE state = 'dead'",
    "work that is left over": _JOBS_LEFT,
}

_SELLING_ALWAYS = {
    "a hold of no operation": (
        "SELECT * FROM holds h WHERE NOT EXISTS (SELECT FROM operations WHERE hold_id = h.id)"
    ),
    "terms that were not charged once each": """
        SELECT s.id, s.terms, t.count, t.amount, e.amount FROM services s
        LEFT JOIN LATERAL (SELECT count(*), coalesce(sum(amount), 0) AS amount
            FROM terms WHERE service_id = s.id) t ON true
        LEFT JOIN LATERAL (SELECT count(*), coalesce(-sum(amount), 0) AS amount
            FROM entries WHERE service_id = s.id AND book = 'balance') e ON true
        WHERE NOT (s.terms = t.count AND t.count = e.count AND t.amount = e.amount)
    """,
    "a feed with a gap": """
        SELECT f.partner_id, f.head, count(e.number), max(e.number) FROM feeds f
        LEFT JOIN events e USING (partner_id) GROUP BY 1, 2
        HAVING count(e.number) <> f.head OR coalesce(max(e.number), 0) <> f.head
    """,
    "counted room that is not what the services take": """
        SELECT p.name, p.vms_used, p.ram_mib_used, s.vms, s.ram_mib FROM platforms p
        LEFT JOIN LATERAL (SELECT count(*) AS vms, coalesce(sum(ram_mib), 0) AS ram_mib
            FROM services JOIN data_centers d ON d.id = data_center_id
            WHERE platform = p.name AND holds_room
        ) s ON true
        WHERE p.vms_used <> s.vms OR p.ram_mib_used <> s.ram_mib
    """,
}

_SELLING = {
    "an operation under way": _OPEN_OPERATIONS,
    "a service on its way": (
        "SELECT * FROM services WHERE state IN ('ordered', 'provisioning', 'terminating')"
    ),
    "a hold that does not end as its operation did": """
        SELECT o.id, o.state, h.state FROM operations o JOIN holds h ON h.id = o.hold_id
        WHERE (o.state = 'succeeded') <> (h.state = 'captured')
    """,
    "a suspended service that runs, or an active one with a suspension": """
        SELECT s.id, s.state, s.power, count(x.actor) FROM services s
        LEFT JOIN suspensions x ON x.service_id = s.id
        WHERE s.state IN ('active', 'suspended') GROUP BY s.id
        HAVING (s.state = 'suspended') <> (count(x.actor) > 0)
            OR s.power <> CASE WHEN s.state = 'active' THEN s.wanted_power ELSE 'stopped' END
    """,
    "a service that was told of as active never, or twice": """
        SELECT s.id, s.state, count(e.id) FROM services s
        LEFT JOIN events e ON e.service_ref = s.service_ref AND e.partner_id = s.partner_id
            AND e.type = 'service.activated'
        GROUP BY s.id HAVING count(e.id) <> (s.activated_at IS NOT NULL)::int
    """,
    "an operation whose end was not told exactly once": """
        SELECT o.id, o.kind, o.state, count(e.id) FROM operations o
        LEFT JOIN events e ON e.operation_id = o.id AND e.partner_id = o.partner_id
            AND e.body -> 'operation' ->> 'finished_at' IS NOT NULL
        GROUP BY o.id HAVING count(e.id) <> 1
    """,
    "a command that was accepted without an operation, or an operation of no command": """
        SELECT r.command_id, o.id, o.command_id FROM received_commands r
        FULL JOIN operations o ON o.partner_id = r.partner_id AND o.command_id = r.command_id
        WHERE r.command_id IS NULL AND o.command_id IS NOT NULL
            OR r.state = 'accepted'
                AND NOT EXISTS (SELECT FROM operations WHERE id = r.operation_id)
    """,
}

_SIMULATED_ALWAYS = {
    "a VM of no service": """
        SELECT * FROM simulated_vms v WHERE NOT deleted
            AND NOT EXISTS (SELECT FROM services WHERE id = v.vm_id)
    """,
}

_SIMULATED = {
    "a service without its one VM, or a VM that does not stand as its service does": """
        SELECT s.id, s.state, s.power, v.owner_id, v.power, v.locked, v.deleted FROM services s
        LEFT JOIN simulated_vms v ON v.vm_id = s.id
        WHERE CASE WHEN s.state IN ('active', 'suspended', 'terminated')
            THEN v.vm_id IS NULL OR v.deleted OR NOT v.built OR v.owner_id <> s.account_id
                OR v.power <> s.power OR v.locked <> (s.state <> 'active')
            ELSE NOT coalesce(v.deleted, true) END
    """,
}

_RESELLING_ALWAYS = {
    "a hold of no command": (
        "SELECT * FROM holds h WHERE NOT EXISTS (SELECT FROM commands WHERE hold_id = h.id)"
    ),
}

_RESELLING = {
    "a command that has not ended": _OPEN_COMMANDS,
    "work that is left over": f"{_JOBS_LEFT} AND NOT {_OF_DISABLED}",
    "a hold that is neither captured nor released": """
        SELECT h.* FROM holds h JOIN commands c ON c.hold_id = h.id
        JOIN sellers s ON s.id = c.seller_id WHERE h.state = 'open' AND s.enabled
    """,
    "a hold that does not end as its command did": """
        SELECT c.id, c.state, h.state FROM commands c JOIN holds h ON h.id = c.hold_id
        WHERE (c.state = 'succeeded') <> (h.state = 'captured')
    """,
    "a service that is parked": "SELECT id, parked FROM services WHERE parked IS NOT NULL",
    "a body that was kept after its end": (
        "SELECT id FROM commands WHERE settled_at IS NOT NULL AND body <> ''"
    ),
}

_SELLERS = "SELECT installation_id FROM sellers WHERE enabled"
# One row per service of either side, as that side has it.
_AT_HOME = """
    SELECT s.service_ref, s.client_ref, s.wanted_life, s.wanted_power, s.terminate_when,
        s.heard_state, s.heard_power, s.heard_paid_until, s.heard_revision,
        coalesce(array_agg(DISTINCT CASE w.cause WHEN 'client' THEN 'client' ELSE 'partner' END)
            FILTER (WHERE w.cause IS NOT NULL), '{}') AS actors
    FROM services s JOIN sellers ON sellers.id = s.seller_id AND sellers.enabled
    LEFT JOIN wanted_suspensions w ON w.service_id = s.id GROUP BY s.id
"""
_UPSTREAM = """
    SELECT s.service_ref, s.client_ref, s.installation_id, s.state, s.power, s.wanted_power,
        s.paid_until, s.revision, s.terminate_at,
        coalesce(array_agg(x.actor) FILTER (WHERE x.actor IN ('client', 'partner')), '{}')
            AS actors
    FROM services s LEFT JOIN suspensions x ON x.service_id = s.id GROUP BY s.id
"""
_FEEDS_READ = """
    SELECT installation_id, number, cursor FROM sellers JOIN seller_feeds ON id = seller_id
    WHERE enabled
"""
_HEADS = """
    SELECT i.id AS installation_id, coalesce(f.head, 0) AS head, e.id AS last FROM installations i
    LEFT JOIN feeds f ON f.partner_id = i.partner_id
    LEFT JOIN events e ON e.partner_id = f.partner_id AND e.number = f.head
"""


def settle(stack: Stack, *, seconds: float = 60.0) -> None:
    """Wait until nothing is under way on either side; AssertionError after `seconds`."""
    began = time.monotonic()
    while under_way := _under_way(stack):
        took = time.monotonic() - began
        assert took < seconds, f"still under way: {under_way}"
        time.sleep(pause_after(took))


def check_all(stack: Stack) -> None:
    """Raise AssertionError that names everything that is wrong in either database, at rest.

    Other resellers of the same seller are compared with it by checks of their own.
    """
    on_platform = _SIMULATED if stack.platform == "simulated" else {}
    own = {"selling": {**_AT_REST, **_SELLING, **on_platform}, "reselling": _AT_REST | _RESELLING}
    _refuse({**_find(stack, _always(stack)), **_find(stack, own), **_between(stack)})


def check_always(stack: Stack) -> None:
    """Raise AssertionError that names what is wrong in either database, whatever is under way."""
    _refuse(_find(stack, _always(stack)))


def _always(stack: Stack) -> dict[str, dict[str, str]]:
    on_platform = _SIMULATED_ALWAYS if stack.platform == "simulated" else {}
    return {
        "selling": {**_ALWAYS, **_SELLING_ALWAYS, **on_platform},
        "reselling": {**_ALWAYS, **_RESELLING_ALWAYS},
    }


def _find(stack: Stack, checks: Mapping[str, Mapping[str, str]]) -> dict[str, list[Row]]:
    """What each check of a service finds in its database."""
    return {
        f"{service}: {what}": rows(url, _of(stack, service, statement))
        for service, url in databases(stack).items()
        for what, statement in checks[service].items()
    }


def _of(stack: Stack, service: str, statement: str) -> str:
    """A statement as it is for this side, whose processes may live in a time of their own."""
    tenant = {"selling": "partner_id", "reselling": "client_id"}
    return statement.format(tenant=tenant[service], ahead=stack.seconds_ahead(service))


def _refuse(wrong: Mapping[str, list[Row]]) -> None:
    found = {what: some[:3] for what, some in wrong.items() if some}
    assert not found, "\n".join(
        f"{what} ({len(wrong[what])}): {str(found[what])[:MOST_SHOWN]}" for what in found
    )


def databases(stack: Stack) -> dict[str, str]:
    """Return the URL of each side's database."""
    return {"selling": stack.selling_database, "reselling": stack.reselling_database}


def _under_way(stack: Stack) -> dict[str, list[Row]]:
    """Look for what isn't finished. A seller that staff has disabled is left alone."""
    home, upstream = stack.reselling_database, stack.selling_database
    left = {service: _of(stack, service, _JOBS_LEFT) for service in databases(stack)}
    found = {
        "commands": rows(home, f"{_OPEN_COMMANDS} LIMIT 3"),
        "operations": rows(upstream, f"{_OPEN_OPERATIONS} LIMIT 3"),
        "jobs at the seller": rows(upstream, f"{left['selling']} LIMIT 3"),
        "jobs at the reseller": rows(home, f"{left['reselling']} AND NOT {_OF_DISABLED} LIMIT 3"),
        "feeds": _unread(stack),
    }
    return {what: some for what, some in found.items() if some}


def _unread(stack: Stack) -> list[Row]:
    heads = {row["installation_id"]: row for row in rows(stack.selling_database, _HEADS)}
    return [
        {**read, **heads[read["installation_id"]]}
        for read in rows(stack.reselling_database, _FEEDS_READ)
        if read["number"] != heads[read["installation_id"]]["head"]
        or (read["number"] and not _cursor_fits(read, heads[read["installation_id"]]))
    ]


def _cursor_fits(read: Row, head: Row) -> bool:
    fits: bool = read["cursor"] == make_cursor(number=head["head"], event_id=head["last"])
    return fits


def _between(stack: Stack) -> dict[str, list[Row]]:
    """Compare what the reseller wants and has heard with what is so at the seller."""
    home = {row["service_ref"]: row for row in rows(stack.reselling_database, _AT_HOME)}
    ours = {row["installation_id"] for row in rows(stack.reselling_database, _SELLERS)}
    upstream = {
        row["service_ref"]: row
        for row in rows(stack.selling_database, _UPSTREAM)
        if row["installation_id"] in ours
    }
    both = [(home[ref], upstream[ref]) for ref in home.keys() & upstream.keys()]
    return {
        "a feed that was not read to its head": _unread(stack),
        "a service at the seller that the reseller knows nothing of": [
            upstream[ref] for ref in upstream.keys() - home.keys()
        ],
        "a service that is wanted and is not at the seller": [
            home[ref]
            for ref in home.keys() - upstream.keys()
            if home[ref]["wanted_life"] != "cancelled"
        ],
        "a service of which something else was heard than is so": [
            {**own, **its} for own, its in both if not _heard_well(own, its)
        ],
        "a service that is not as it is wanted": [
            {**own, **its} for own, its in both if not _as_wanted(own, its)
        ],
    }


def _heard_well(own: Mapping[str, Any], its: Mapping[str, Any]) -> bool:
    heard = (own["heard_revision"], own["heard_state"], own["heard_power"], own["heard_paid_until"])
    return own["client_ref"] == its["client_ref"] and heard == (
        its["revision"],
        its["state"],
        its["power"],
        its["paid_until"],
    )


def _as_wanted(own: Mapping[str, Any], its: Mapping[str, Any]) -> bool:
    if own["wanted_life"] == "cancelled":
        return its["state"] in {"failed", "terminated", "deleted"}
    if own["wanted_life"] == "terminated":
        scheduled = own["terminate_when"] == "period_end" and its["terminate_at"] is not None
        return scheduled or its["state"] in {"terminated", "deleted"}
    return (
        its["state"] in {"active", "suspended"}
        and sorted(own["actors"]) == sorted(its["actors"])
        and own["wanted_power"] == its["wanted_power"]
    )
