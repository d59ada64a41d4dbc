"""Reads runs and differences, and writes the report that a person can read."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

from prometheus_client import Counter, Gauge
from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import SQLAlchemyError

from shared.kit.db import DATABASE_AWAY, Database, ReadSession
from shared.kit.reconciling.schemas import (
    DifferenceState,
    DifferenceView,
    ReportView,
    difference_view,
    run_view,
)
from shared.kit.reconciling.tables import Desk, DifferenceColumns, RunColumns

MOST_SHOWN = 50
MEASURE_SECONDS = 30.0
OPEN = Gauge("tandem_reconciliation_differences", "Differences that are open", ["kind"])
REPAIRS = Counter("tandem_reconciliation_repairs_total", "Repairs begun without people", ["kind"])
_FINISHED = Gauge(
    "tandem_reconciliation_finished_timestamp_seconds", "End of the last whole comparison"
)


def _wanted(desk: Desk, state: DifferenceState | None) -> list[ColumnElement[bool]]:
    table = desk.differences
    if state is None:
        return []
    if state is DifferenceState.GONE:
        return [table.gone_at.is_not(None)]
    decision = {
        DifferenceState.OPEN: table.decision.is_(None),
        DifferenceState.IGNORED: table.decision == "ignore",
        DifferenceState.DECIDED: table.decision.in_(["adopt", "undo"]),
    }
    return [table.gone_at.is_(None), decision[state]]


async def list_differences(
    session: ReadSession,
    desk: Desk,
    *,
    after: UUID | None,
    limit: int,
    state: DifferenceState | None = None,
    kind: str | None = None,
) -> Sequence[DifferenceColumns]:
    """Up to `limit + 1` differences, oldest first."""
    table = desk.differences
    statement = select(table).where(*_wanted(desk, state)).order_by(table.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(table.id > after)
    if kind is not None:
        statement = statement.where(table.kind == kind)
    return (await session.scalars(statement)).all()


async def list_runs(
    session: ReadSession, desk: Desk, *, after: UUID | None, limit: int
) -> Sequence[RunColumns]:
    """Up to `limit + 1` runs, newest first."""
    statement = select(desk.runs).order_by(desk.runs.id.desc()).limit(limit + 1)
    if after is not None:
        statement = statement.where(desk.runs.id < after)
    return (await session.scalars(statement)).all()


async def read_report(session: ReadSession, desk: Desk) -> ReportView:
    """How things stand now; sets the gauges besides."""
    ended = select(desk.runs).where(desk.runs.finished_at.is_not(None))
    last = (await session.scalars(ended.order_by(desk.runs.id.desc()).limit(1))).one_or_none()
    by_kind = await _count_by_kind(session, desk)
    rows = await list_differences(
        session, desk, after=None, limit=MOST_SHOWN, state=DifferenceState.OPEN
    )
    report = ReportView(
        run=run_view(last) if last is not None else None,
        differences=by_kind,
        decided=await _count(session, desk, DifferenceState.DECIDED),
        ignored=await _count(session, desk, DifferenceState.IGNORED),
        text="",
    )
    report.text = _written(report, [difference_view(row) for row in rows[:MOST_SHOWN]])
    _measure(report, last)
    return report


@asynccontextmanager
async def measuring(database: Database, desk: Desk) -> AsyncIterator[None]:
    """Keep the gauges of this process near the truth while the block runs."""

    async def go_on() -> None:
        while True:
            # Also where the tables aren't there yet: that is for `/readyz` to say.
            with contextlib.suppress(SQLAlchemyError, *DATABASE_AWAY):
                async with database.read() as session:
                    await read_report(session, desk)
            await asyncio.sleep(MEASURE_SECONDS)

    task = asyncio.create_task(go_on(), name="reconciliation-gauges")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _count_by_kind(session: ReadSession, desk: Desk) -> dict[str, int]:
    table = desk.differences
    counted = (
        select(table.kind, func.count().label("number"))
        .where(*_wanted(desk, DifferenceState.OPEN))
        .group_by(table.kind)
        .order_by(table.kind)
    )
    return {row.kind: row.number for row in await session.execute(counted)}


async def _count(session: ReadSession, desk: Desk, state: DifferenceState) -> int:
    counted = select(func.count()).select_from(desk.differences).where(*_wanted(desk, state))
    return int(await session.scalar(counted) or 0)


def _measure(report: ReportView, last: RunColumns | None) -> None:
    OPEN.clear()
    for kind, count in report.differences.items():
        OPEN.labels(kind).set(count)
    if last is not None and last.state == "done" and last.finished_at is not None:
        _FINISHED.set(last.finished_at.timestamp())


def _written(report: ReportView, shown: Sequence[DifferenceView]) -> str:
    """The report for people: a head, then each difference in a few lines."""
    run = report.run
    if run is None:
        return "Nothing was compared yet."
    lines = [f"Compared until {run.finished_at:%Y-%m-%d %H:%M:%S} UTC: {run.state}."]
    if run.problem:
        lines.append(f"Not everything could be compared: {run.problem}")
    total = sum(report.differences.values())
    if not total:
        lines.append("Nothing differs." if run.state == "done" else "Nothing else differs.")
    else:
        kinds = ", ".join(f"{count} {kind}" for kind, count in report.differences.items())
        lines.append(f"{total} differences: {kinds}.")
    lines.append(f"{report.decided} decided and under way, {report.ignored} ignored.")
    for each in shown:
        refs = ", ".join(f"{name} {ref}" for name, ref in each.refs.items())
        lines += ["", f"{each.kind} since {each.since:%Y-%m-%d %H:%M} UTC: {refs}"]
        lines += [f"  {side}: {value}" for side, value in each.evidence.items()]
        alone = each.safe and each.tried_at is None
        how = "done without asking" if alone else " or ".join(each.ways)
        lines.append(f"  Repair: {each.repair} ({how}; id {each.id})")
    if total > len(shown):
        lines += ["", f"… and {total - len(shown)} more."]
    return "\n".join(lines)
