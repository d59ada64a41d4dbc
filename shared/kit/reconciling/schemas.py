"""The shapes of runs, differences and the report, the same for both services."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import Field

from shared.contract.basics import Input, Output, Timestamp, shown
from shared.kit.reconciling.tables import DifferenceColumns, RunColumns
from shared.kit.text import Line


class DifferenceState(StrEnum):
    """open: waits for a repair or for people. decided: what was decided is under way."""

    OPEN = "open"
    DECIDED = "decided"
    IGNORED = "ignored"
    GONE = "gone"


class DecisionInput(Input):
    """Why it is decided so; kept with who and when."""

    model_config = shown({"reason": "Agreed with the provider by telephone."})

    reason: Line = Field(examples=["Agreed with the provider by telephone."])


class RunView(Output):
    """One comparison of everything."""

    id: UUID
    state: str = Field(description="asked, running, done or incomplete (see `problem`).")
    asked_by: str = Field(description="schedule, cli, or staff with the person's id.")
    asked_at: Timestamp
    started_at: Timestamp | None
    finished_at: Timestamp | None
    counts: dict[str, int] = Field(description="How much was compared, and found by kind.")
    problem: str | None = Field(description="What couldn't be compared, and why.")


class DifferenceView(Output):
    """One difference, over all runs that saw it."""

    id: UUID
    kind: str
    state: DifferenceState
    scope: str = Field(description="The comparison that finds it.")
    refs: dict[str, str] = Field(description="What it is about.")
    evidence: dict[str, Any] = Field(description="Both sides' values.")
    repair: str = Field(description="What would put it right.")
    safe: bool = Field(description="Whether that may be done, or was, without asking people.")
    ways: list[str] = Field(description="What may be decided.")
    since: Timestamp
    last_seen_at: Timestamp
    tried_at: Timestamp | None = Field(description="When its repair was begun without people.")
    decision: str | None
    decided_by: str | None
    decided_at: Timestamp | None
    reason: str | None
    gone_at: Timestamp | None


class ReportView(Output):
    """How things stand: the last finished run, and what is different by kind."""

    run: RunView | None
    differences: dict[str, int] = Field(description="Those that are open, by kind.")
    decided: int
    ignored: int
    text: str = Field(description="The same for people.")


def run_view(row: RunColumns) -> RunView:
    """A run as staff see it."""
    return RunView(
        id=row.id,
        state=row.state,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
        counts=row.counts,
        problem=row.problem,
    )


def state_of(row: DifferenceColumns) -> DifferenceState:
    """Where a difference stands."""
    if row.gone_at is not None:
        return DifferenceState.GONE
    if row.decision == "ignore":
        return DifferenceState.IGNORED
    return DifferenceState.OPEN if row.decision is None else DifferenceState.DECIDED


def difference_view(row: DifferenceColumns) -> DifferenceView:
    """A difference as staff see it."""
    shown_refs: Mapping[str, str] = row.refs
    return DifferenceView(
        id=row.id,
        kind=row.kind,
        state=state_of(row),
        scope=row.scope,
        refs=dict(shown_refs),
        evidence=row.evidence,
        repair=row.repair,
        safe=row.safe,
        ways=row.ways,
        since=row.first_seen_at,
        last_seen_at=row.last_seen_at,
        tried_at=row.tried_at,
        decision=row.decision,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
        gone_at=row.gone_at,
    )
