"""Figures for Prometheus that are read from the database: how old the queue is, what is stuck.

Which figures a service has is said by its main. They are read when they are asked for, but not
more often than each allows, and never by two at once; where the database is away the old ones go.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from prometheus_client import Gauge
from sqlalchemy import text

from shared.kit.db import DATABASE_AWAY, Database, ReadSession

OFTEN = 5.0
SELDOM = 600.0
MOST_LABELS = 100
SECONDS = 5
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One gauge. `sql` gives one value, or with `label` rows of (label, value), the worst first.

    `:now` in it is the service's time. Of the rows a hundred are shown: who has more sellers than
    that sees the worst.
    """

    name: str
    text: str
    sql: str
    label: str | None = None
    every: float = OFTEN


JOBS = (
    Figure(
        name="tandem_jobs_overdue_seconds",
        text="How long the oldest job that is due has waited for a worker",
        # The first in time that nothing of its lane holds up, found by the index.
        sql="""SELECT coalesce((
                   SELECT extract(epoch FROM cast(:now AS timestamptz) - run_at) FROM jobs j
                   WHERE state = 'ready' AND run_at <= cast(:now AS timestamptz) AND crashes < 3
                     AND NOT EXISTS (SELECT FROM jobs o WHERE o.lane = j.lane
                                     AND (o.state = 'running' OR o.state = 'ready'
                                          AND (o.priority, o.id) < (j.priority, j.id)))
                   ORDER BY run_at LIMIT 1), 0)""",
    ),
    Figure(
        name="tandem_jobs_dead",
        text="Jobs that wait for a person",
        sql="SELECT count(*) FROM jobs WHERE state = 'dead'",
    ),
    Figure(
        name="tandem_jobs_set_aside",
        text="Jobs that have taken workers along again and again",
        sql="SELECT count(*) FROM jobs WHERE crashes >= 3",
    ),
    Figure(
        name="tandem_workers",
        text="Workers seen in the last ten seconds",
        sql="""SELECT count(*) FROM workers
               WHERE seen_at > clock_timestamp() - interval '10 seconds'""",
    ),
)
MONEY = (
    Figure(
        name="tandem_ledger_unbalanced",
        text="The sum of all entries in minor units, which is zero",
        sql="SELECT abs(coalesce(sum(amount), 0)) FROM entries",
        every=SELDOM,
    ),
    Figure(
        name="tandem_balances_below_limit",
        text="Balances with more held or spent than their limit allows",
        sql="SELECT count(*) FROM balances WHERE balance - held + credit_limit < 0",
        every=60.0,
    ),
    Figure(
        name="tandem_balances_parked",
        text="Balances set aside since their books contradict themselves",
        sql="SELECT count(*) FROM balances WHERE parked_at IS NOT NULL",
        every=60.0,
    ),
)
_UP = Gauge("tandem_database_up", "Whether the database answered when the figures were read")
_IN_USE = Gauge("tandem_database_connections_in_use", "Of this process, by role", ["role"])
_ROOM = Gauge("tandem_database_connections_most", "Of this process, by role", ["role"])
_gauges: dict[str, Gauge] = {}


class Figures:
    """The gauges of one process."""

    def __init__(self, database: Database, figures: Sequence[Figure]) -> None:
        self._database = database
        self._figures = figures
        self._due = dict.fromkeys((figure.name for figure in figures), 0.0)
        self._lock = asyncio.Lock()
        for figure in figures:
            # One process may hold both services, as those of tests do.
            if figure.name not in _gauges:
                labels = [figure.label] if figure.label else []
                _gauges[figure.name] = Gauge(figure.name, figure.text, labels)

    async def refresh(self) -> None:
        """Read what is due."""
        now = asyncio.get_running_loop().time()
        async with self._lock:
            due = [figure for figure in self._figures if self._due[figure.name] <= now]
            if not due:
                return
            try:
                await self._read(due, now)
                _UP.set(1)
            except DATABASE_AWAY as error:
                _log.warning("figures.database_away", error=type(error).__name__)
                _UP.set(0)

    async def _read(self, due: Sequence[Figure], now: float) -> None:
        async with self._database.read() as session:
            await session.execute(text(f"SET LOCAL statement_timeout = '{SECONDS}s'"))
            for figure in due:
                await _show(session, figure)
                self._due[figure.name] = now + figure.every


async def _show(session: ReadSession, figure: Figure) -> None:
    gauge = _gauges[figure.name]
    values = {"now": session.clock.now()} if ":now" in figure.sql else {}
    rows = (await session.execute(text(figure.sql), values)).fetchmany(MOST_LABELS)
    if figure.label is None:
        gauge.set(float(rows[0][0]))
        return
    gauge.clear()
    for label, value in rows:
        gauge.labels(str(label)).set(float(value))


def show_pool(database: Database, role: str) -> None:
    """Let the connections of this process be seen."""
    pool = database.engine.pool
    in_use, most = getattr(pool, "checkedout", None), database.most_connections
    if in_use is not None:
        _IN_USE.labels(role).set_function(in_use)
        _ROOM.labels(role).set(most)
