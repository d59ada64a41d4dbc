"""Differences for made-up requests to decide about, written where only the services write."""

import json
from uuid import uuid4

from local_stack.demo.callers import JSON
from tests.journeys.behind import rows

_INSERT = """
    INSERT INTO reconciliation_differences (id, kind, key, scope, refs, evidence, repair, safe,
        ways, first_seen_at, last_seen_at, last_run_id)
    VALUES ($1, $2, $3, 'made up', $4, $5, 'Decide.', false, '{adopt,undo,ignore}',
        clock_timestamp(), clock_timestamp(), $1)
    RETURNING id::text
"""


def make_difference(database_url: str, kind: str, *, refs: JSON, evidence: JSON) -> str:
    """A difference that can be adopted, undone and ignored; its id."""
    new = uuid4()
    values = (new, kind, str(new), json.dumps(refs), json.dumps(evidence))
    (row,) = rows(database_url, _INSERT, *values)
    found: str = row["id"]
    return found
