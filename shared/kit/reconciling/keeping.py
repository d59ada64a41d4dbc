"""Keeps runs and differences: seen again, gone, tried, decided. Finds and repairs nothing."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, delete, null, select, update
from sqlalchemy.dialects.postgresql import insert

from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue
from shared.kit.people import StaffPrincipal
from shared.kit.people.principals import Doer
from shared.kit.problems import not_found
from shared.kit.reconciling.finding import Finding, Way
from shared.kit.reconciling.tables import RECONCILE_JOB, Desk, DifferenceColumns, RunColumns

BY_SCHEDULE = "schedule"
# How long runs, and differences that are gone, can be looked up.
KEPT = timedelta(days=400)
# What a decision has begun is over after this time, or is known to be under way.
DECISION_TAKES = timedelta(minutes=15)


async def request_run(session: WriteSession, desk: Desk, doer: Doer) -> RunColumns:
    """A run that begins as soon as the worker gets to it; one that is asked for already is it."""
    waiting = select(desk.runs).where(desk.runs.state == "asked").limit(1)
    found = (await session.scalars(waiting)).one_or_none()
    if found is None:
        asked_by = f"staff:{doer.id}" if isinstance(doer, StaffPrincipal) else str(doer)
        found = _new_run(session, desk, asked_by)
        session.add(found)
        await session.flush()
    await enqueue(session, RECONCILE_JOB, payload={}, dedupe_key=RECONCILE_JOB)
    return found


async def begin_run(session: WriteSession, desk: Desk, *, asked_by: str = BY_SCHEDULE) -> UUID:
    """Begin the run that was asked for, or one by schedule; its id.

    Broken-off ones are closed, and what has been gone for long is forgotten.
    """
    now = session.clock.now()
    for table, ended in (
        (desk.runs, desk.runs.finished_at),
        (desk.differences, desk.differences.gone_at),
    ):
        await session.execute(delete(table).where(ended < now - KEPT))
    broken = update(desk.runs).where(desk.runs.state == "running")
    await session.execute(
        broken.values(state="incomplete", finished_at=now, problem="It was broken off.")
    )
    asked = select(desk.runs).where(desk.runs.state == "asked").order_by(desk.runs.id).limit(1)
    run = (await session.scalars(asked.with_for_update())).one_or_none()
    if run is None:
        run = _new_run(session, desk, asked_by)
        session.add(run)
    run.state, run.started_at = "running", now
    await session.flush()
    return run.id


def _new_run(session: WriteSession, desk: Desk, asked_by: str) -> RunColumns:
    run = desk.runs()
    run.id, run.state, run.asked_by, run.counts = new_id(), "asked", asked_by, {}
    run.asked_at = session.clock.now()
    return run


async def end_run(
    session: WriteSession,
    desk: Desk,
    run_id: UUID,
    *,
    counts: Counter[str],
    problems: Sequence[str],
) -> None:
    """Close a run; it is incomplete where something couldn't be compared."""
    await session.execute(
        update(desk.runs)
        .where(desk.runs.id == run_id)
        .values(
            state="incomplete" if problems else "done",
            finished_at=session.clock.now(),
            counts=dict(counts),
            problem="; ".join(problems)[:2000] or None,
        )
    )


class Recorder:
    """Writes what one run finds."""

    def __init__(self, desk: Desk, run_id: UUID) -> None:
        self._table = desk.differences
        self._run_id = run_id
        self.counts: Counter[str] = Counter()

    async def record(self, session: WriteSession, finding: Finding) -> DifferenceColumns:
        """The difference's row: seen for the first time, or again."""
        table, now = self._table, session.clock.now()
        seen = {
            "scope": finding.scope,
            "refs": {name: str(ref) for name, ref in finding.refs.items() if ref is not None},
            "evidence": dict(finding.evidence),
            "repair": finding.repair,
            "safe": finding.safe,
            "ways": [*finding.ways, Way.IGNORE],
            "last_seen_at": now,
            "last_run_id": self._run_id,
        }
        fresh = insert(table).values(
            id=new_id(), kind=finding.kind, key=finding.key, first_seen_at=now, **seen
        )
        statement = fresh.on_conflict_do_update(
            index_elements=["kind", "key"],
            index_where=table.gone_at.is_(None),
            set_={**seen, **self._reopened(now)},
        ).returning(table)
        self.counts[finding.kind] += 1
        row = await session.scalars(statement, execution_options={"populate_existing": True})
        return row.one()

    def _reopened(self, now: datetime) -> dict[str, ColumnElement[Any]]:
        """What was decided long ago and differs still came to nothing: people decide anew."""
        table = self._table
        vain = and_(
            table.decision.in_([Way.ADOPT, Way.UNDO]), table.decided_at < now - DECISION_TAKES
        )
        columns = (table.decision, table.decided_by, table.decided_at, table.reason)
        return {each.key: case((vain, null()), else_=each) for each in columns}

    async def hold_on(self, session: WriteSession, *, ref: str, values: Sequence[UUID]) -> None:
        """Let differences about these objects count as seen: they weren't judged in this run."""
        table = self._table
        await session.execute(
            update(table)
            .where(table.gone_at.is_(None), table.refs[ref].astext.in_(map(str, values)))
            .values(last_run_id=self._run_id)
        )

    async def close_unseen(self, session: WriteSession, *, scope: str) -> None:
        """What this run has compared and no longer found is gone."""
        table = self._table
        await session.execute(
            update(table)
            .where(table.scope == scope, table.gone_at.is_(None), table.last_run_id != self._run_id)
            .values(gone_at=session.clock.now())
        )


async def note_tried(
    session: WriteSession, desk: Desk, difference_id: UUID, *, gone: bool
) -> datetime:
    """A repair was begun without people; `gone`: it is done already."""
    now = session.clock.now()
    values = {"tried_at": now} | ({"gone_at": now} if gone else {})
    await session.execute(
        update(desk.differences).where(desk.differences.id == difference_id).values(**values)
    )
    return now


async def find_difference(
    session: ReadSession, desk: Desk, *, difference_id: UUID
) -> DifferenceColumns:
    """One difference. Raises `not_found`."""
    row = await session.get(desk.differences, difference_id, populate_existing=True)
    if row is None:
        raise not_found("difference")
    return row


async def lock_difference(
    session: WriteSession, desk: Desk, *, difference_id: UUID
) -> DifferenceColumns:
    """One difference, held until the transaction ends. Raises `not_found`."""
    row = await session.get(
        desk.differences, difference_id, populate_existing=True, with_for_update=True
    )
    if row is None:
        raise not_found("difference")
    return row


async def decide(
    session: WriteSession, row: DifferenceColumns, staff: StaffPrincipal, way: Way, *, reason: str
) -> None:
    """Write down what was decided, by whom, when and why."""
    row.decision, row.decided_by = way, f"staff:{staff.id}"
    row.decided_at, row.reason = session.clock.now(), reason
    await session.flush()
