"""Runs and differences that are gone can be looked up for 400 days; what is open stays."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select

from reselling_service.reconciliation.models import DESK as RESELLING
from selling_service.reconciliation.models import DESK as SELLING
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.reconciling import Desk
from shared.kit.reconciling.keeping import begin_run
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import House

__all__ = ["house", "service"]
DAY = timedelta(days=1)


@pytest.fixture
def desk(service: tuple[str, str]) -> Desk:
    return {"selling": SELLING, "reselling": RESELLING}[service[0]]


def add(session: WriteSession, desk: Desk, key: str, *, gone: bool) -> None:
    now = session.clock.now()
    row = desk.differences()
    row.id, row.kind, row.key, row.scope, row.repair = new_id(), "vm_unknown", key, "all", "none"
    row.refs, row.evidence, row.safe, row.ways = {}, {}, False, []
    row.first_seen_at = row.last_seen_at = now
    row.last_run_id, row.gone_at = new_id(), now if gone else None
    session.add(row)


async def begin(house: House, desk: Desk) -> int:
    """Begin the next run, which ends the one before; how many there are."""
    async with house.runtime.staff.write() as session:
        await begin_run(session, desk)
    async with house.runtime.staff.read() as session:
        return await session.scalar(select(func.count()).select_from(desk.runs)) or 0


async def keys(house: House, desk: Desk) -> list[str]:
    async with house.runtime.staff.read() as session:
        statement = select(desk.differences.key).order_by(desk.differences.key)
        return list((await session.scalars(statement)).all())


async def test_what_was_found_is_kept_for_400_days_after_it_has_gone(
    house: House, desk: Desk
) -> None:
    assert await begin(house, desk) == 1
    async with house.runtime.staff.write() as session:
        add(session, desk, "gone", gone=True)
        add(session, desk, "open", gone=False)
    assert await begin(house, desk) == 2
    house.clock.advance(399 * DAY)
    assert await begin(house, desk) == 3
    async with house.runtime.staff.write() as session:
        add(session, desk, "young", gone=True)
    assert await keys(house, desk) == ["gone", "open", "young"]
    house.clock.advance(2 * DAY)
    # The first is over for longer than that; the second was closed 399 days later.
    assert await begin(house, desk) == 3
    assert await keys(house, desk) == ["open", "young"]
