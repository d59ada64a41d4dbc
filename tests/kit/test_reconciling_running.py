"""A comparison that somebody waits for isn't given up because another one is under way."""

from typing import Any

import pytest
from sqlalchemy import select

from reselling_service.reconciliation import tasks as reselling
from reselling_service.reconciliation.models import DESK as RESELLING
from selling_service.reconciliation import tasks as selling
from selling_service.reconciliation.models import DESK as SELLING
from shared.kit.jobs import Retry, Task
from shared.kit.people import Unattended
from shared.kit.reconciling.keeping import request_run
from shared.kit.reconciling.running import ComparingAlready, one_at_a_time
from shared.kit.reconciling.tables import RECONCILE_JOB
from tests.job import job_of
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import House

__all__ = ["house", "service"]
DESKS = {"selling": SELLING, "reselling": RESELLING}


def comparing(side: str, runtime: Any) -> Task:
    every = selling.tasks(runtime, {}) if side == "selling" else reselling.tasks(runtime)
    return next(task for task in every if task.kind == RECONCILE_JOB)


async def test_run_that_is_asked_for_waits_for_the_one_that_is_under_way(
    house: House, service: tuple[str, str]
) -> None:
    side, _ = service
    desk, task = DESKS[side], comparing(side, house.runtime)
    async with house.runtime.staff.write() as session:
        await request_run(session, desk, Unattended.CLI)
    async with one_at_a_time(house.runtime.staff):
        with pytest.raises(Retry) as refused:
            await task.work(job_of(RECONCILE_JOB))
        with pytest.raises(ComparingAlready, match="Try again when it is over"):
            async with one_at_a_time(house.runtime.staff):
                pass
    assert not refused.value.counted
    await task.work(job_of(RECONCILE_JOB))
    async with house.runtime.staff.read() as session:
        assert (await session.scalars(select(desk.runs.state))).all() == ["done"]
