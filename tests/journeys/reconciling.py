"""Lets both sides of a pair compare everything until nothing differs, as people at the desks would.

It knows how to look and to decide, and nothing of what should differ.
"""

from collections.abc import Callable

from local_stack.demo.callers import JSON, Client
from tests.journeys.invariants import settle
from tests.journeys.stack import Stack

# Nobody waits here for a second look, nor for an owner that may turn up.
ENVIRONMENT = {
    f"{side}_RECONCILIATION_{name}": value
    for side in ("SELLING", "RESELLING")
    for name, value in {"RECHECK_SECONDS": "0.2", "GRACE_SECONDS": "0"}.items()
}
DESK = {"selling": "/admin/v1/reconciliation", "reselling": "/staff/v1/reconciliation"}
ROUNDS = 12
LONGEST = 180.0
Decide = Callable[[JSON], tuple[str, JSON] | None]


def differences(stack: Stack, side: str, **query: str) -> list[JSON]:
    caller = stack.admin if side == "selling" else stack.staff
    return caller.every(f"{DESK[side]}/differences", **query)


def compare(stack: Stack, side: str) -> JSON:
    """Let everything be compared once more, and read the report."""
    caller = stack.admin if side == "selling" else stack.staff
    run = caller.post(f"{DESK[side]}/runs")

    def done() -> JSON | None:
        every = caller.get(f"{DESK[side]}/runs", limit=20)["items"]
        states = {each["id"]: each["state"] for each in every}
        return states if states.get(run["id"]) in {"done", "incomplete"} else None

    # A backup may hold a comparison in the hands of a dead worker, for the time of its lease.
    stack.wait_until(done, what=f"a comparison by the {side} side", seconds=LONGEST)
    return caller.get(f"{DESK[side]}/report")


def come_together(stack: Stack, decide: Decide) -> None:
    """Compare until nothing differs; what waits for people is decided as `decide` says."""
    # Nobody waits for a second look here: what is on its way has to arrive before the first.
    settle(stack)
    reports: list[JSON] = []
    for _ in range(ROUNDS):
        reports = [compare(stack, side) for side in DESK]
        if all(each["run"]["state"] == "done" and is_quiet(each) for each in reports):
            return
        for side in list(DESK):
            for row in differences(stack, side, state="open"):
                put_right(stack, side, row, decide)
        settle(stack)
    raise AssertionError("\n".join(each["text"] for each in reports))


def adopt_for(client: Client) -> Decide:
    """Take what only the seller knows of, and what it charged for, as this client's."""

    def decide(row: JSON) -> tuple[str, JSON] | None:
        reason = "From before the restored backup."
        if row["kind"] == "unknown_here":
            return "adopt", {"reason": reason, "client_id": client.id}
        if row["kind"] == "charge_unknown_here" and not row["safe"]:
            return "adopt", {"reason": reason}
        return None

    return decide


def is_quiet(report: JSON) -> bool:
    return not report["differences"] and not report["decided"]


def put_right(stack: Stack, side: str, row: JSON, decide: Decide) -> None:
    decision = decide(row)
    if decision is not None:
        way, body = decision
        caller = stack.admin if side == "selling" else stack.staff
        caller.post(f"{DESK[side]}/differences/{row['id']}/{way}", body)


def named(rows: list[JSON], names: dict[str, str]) -> set[tuple[str, str]]:
    """What was found of which service."""
    refs = [(row["kind"], row["refs"].get("service_ref", "")) for row in rows]
    return {(kind, names[ref]) for kind, ref in refs if ref in names}
