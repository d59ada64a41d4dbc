"""Figures of the database at `/metrics`: what waits, for how long, and nothing where it is away."""

from datetime import timedelta

from prometheus_client import REGISTRY
from sqlalchemy import text

from reselling_service.figures import FIGURES as RESELLING
from selling_service.figures import FIGURES as SELLING
from shared.kit.db import Database
from shared.kit.figures import Figure, Figures
from shared.kit.jobs import enqueue
from tests.kit.stage import START, ManualClock, open_database


def shown(name: str) -> float | None:
    return REGISTRY.get_sample_value(name)


async def unready(database: Database, statement: str) -> None:
    async with database.write() as session:
        await session.execute(text(statement))


def at_once(figures: tuple[Figure, ...]) -> list[Figure]:
    """The same, read each time."""
    return [Figure(name=f.name, text=f.text, sql=f.sql, label=f.label, every=0.0) for f in figures]


async def test_every_figure_of_the_provider_can_be_read_and_tells_of_jobs(
    selling_database_url: str,
) -> None:
    clock = ManualClock()
    database = open_database(selling_database_url, clock=clock, listen=False)
    figures = Figures(database, at_once(SELLING))
    async with database.write() as session:
        await enqueue(session, "chore", payload={})
        later = START + timedelta(hours=1)
        await enqueue(session, "chore", payload={}, run_at=later)
    clock.advance(timedelta(seconds=90))
    await figures.refresh()
    assert shown("tandem_database_up") == 1
    assert shown("tandem_jobs_overdue_seconds") == 90
    assert shown("tandem_ledger_unbalanced") == 0
    await unready(database, "UPDATE jobs SET state = 'dead' WHERE run_at <= '2030-01-01 12:00Z'")
    await unready(database, "UPDATE jobs SET crashes = 4 WHERE state = 'ready'")
    await figures.refresh()
    assert shown("tandem_jobs_overdue_seconds") == 0
    assert (shown("tandem_jobs_dead"), shown("tandem_jobs_set_aside")) == (1, 1)
    await database.aclose()


async def test_every_figure_of_the_reseller_can_be_read(reselling_database_url: str) -> None:
    database = open_database(reselling_database_url, listen=False)
    await Figures(database, at_once(RESELLING)).refresh()
    assert shown("tandem_database_up") == 1
    assert shown("tandem_commands_unanswered") == 0
    await database.aclose()


async def test_a_database_that_is_away_is_shown_as_that() -> None:
    database = open_database("postgresql+asyncpg://a:b@127.0.0.1:1/none", listen=False)
    await Figures(database, at_once(SELLING)).refresh()
    assert shown("tandem_database_up") == 0
    await database.aclose()
