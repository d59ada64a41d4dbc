"""What both services need to keep differences: tables, runs, the report, routes for the desk.

What a difference is, how it is found and how it is repaired, is the affair of each service.
"""

from shared.kit.reconciling.digests import LIST_AT_MOST, PREFIX_LENGTHS, bounds, digest_sql
from shared.kit.reconciling.finding import Finding, Way
from shared.kit.reconciling.keeping import (
    Recorder,
    begin_run,
    decide,
    end_run,
    find_difference,
    lock_difference,
    note_tried,
    request_run,
)
from shared.kit.reconciling.tables import NEEDS_PEOPLE, Desk, DifferenceColumns, RunColumns

__all__ = [
    "LIST_AT_MOST",
    "NEEDS_PEOPLE",
    "PREFIX_LENGTHS",
    "Desk",
    "DifferenceColumns",
    "Finding",
    "Recorder",
    "RunColumns",
    "Way",
    "begin_run",
    "bounds",
    "decide",
    "digest_sql",
    "end_run",
    "find_difference",
    "lock_difference",
    "note_tried",
    "request_run",
]
