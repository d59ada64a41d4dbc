"""Every command of the contract, wished as a client does it, and the events that tell of each.

An order comes before, and is wished elsewhere.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from local_stack.demo.callers import JSON, Client
from shared.contract.basics import CommandKind
from tests.journeys.behind import rows
from tests.journeys.stack import Stack

HOSTNAME = "renamed.example.com"
Step = tuple[str, JSON | None, dict[str, Any]]
# One after another for each of three services: what is wished, and what is heard of it then.
WALKS: tuple[tuple[Step, ...], ...] = (
    (
        ("rename", {"hostname": HOSTNAME}, {"hostname": HOSTNAME}),
        ("stop", None, {"power": "stopped"}),
        ("start", None, {"power": "running"}),
        ("restart", None, {"power": "running"}),
    ),
    (
        ("suspend", None, {"state": "suspended"}),
        ("resume", None, {"state": "active"}),
        ("renew", {}, {"state": "active"}),
    ),
    (
        ("terminate", {"when": "period_end"}, {"state": "active"}),
        ("restore", {"renew": False}, {"terminate_at": None}),
        ("terminate", {"when": "now"}, {"state": "terminated"}),
        ("restore", {"renew": False}, {"state": "active"}),
    ),
)
TOLD = {
    ("order", "service.activated"),
    ("rename", "service.renamed"),
    ("stop", "service.stopped"),
    ("start", "service.started"),
    ("restart", "service.restarted"),
    ("suspend", "service.suspended"),
    ("resume", "service.resumed"),
    ("renew", "service.renewed"),
    ("terminate", "service.termination_scheduled"),
    ("terminate", "service.terminated"),
    ("restore", "service.restored"),
}
assert {kind for kind, _ in TOLD} == {kind.value for kind in CommandKind}


def wish_everything(client: Client, service_ids: Sequence[str]) -> None:
    """Wish every command of active services, three of them; returns when all was heard of."""
    assert len(service_ids) == len(WALKS)

    def walk(service_id: str, steps: Sequence[Step]) -> None:
        for verb, body, wanted in steps:
            client.wish(service_id, verb, body)
            client.wait_until(service_id, **wanted)

    with ThreadPoolExecutor(len(WALKS)) as walks:
        list(walks.map(walk, service_ids, WALKS))


def check_told(stack: Stack, service_ids: Sequence[str]) -> None:
    """Raise AssertionError that names the commands, or their ends, of which no event was heard."""
    missing = TOLD - _told_of(stack, service_ids)
    assert not missing, missing


def _told_of(stack: Stack, service_ids: Sequence[str]) -> set[tuple[str, str]]:
    """The commands that have succeeded by what was read in the feed, each with its event."""
    done = rows(
        stack.reselling_database,
        "SELECT id, kind FROM commands WHERE state = 'succeeded' AND service_id::text = any($1)",
        list(service_ids),
    )
    types = rows(
        stack.selling_database,
        "SELECT command_id, type FROM events WHERE command_id = any($1)",
        [row["id"] for row in done],
    )
    kinds = {row["id"]: row["kind"] for row in done}
    return {(kinds[row["command_id"]], row["type"]) for row in types}
