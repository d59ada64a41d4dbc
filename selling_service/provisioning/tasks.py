"""Keeps the counters of capacity near what the platforms say."""

from datetime import timedelta

import structlog

from selling_service.catalog.actions import record_capacity
from selling_service.catalog.queries import list_data_centers
from selling_service.database import SellingRuntime
from selling_service.provisioning.actions import Platforms
from selling_service.provisioning.platform import Capacity, PlatformError
from shared.kit.db import WriteSession
from shared.kit.jobs import Completion, Job, Task, enqueue

_log = structlog.get_logger(__name__)
REFRESH_JOB = "refresh_capacity"
REFRESH_EVERY = timedelta(seconds=60)


async def schedule_refresh(session: WriteSession) -> None:
    """Ask for the capacities now; from then on they are asked for every minute."""
    await enqueue(session, REFRESH_JOB, payload={}, dedupe_key=REFRESH_JOB, max_attempts=10**6)


def tasks(runtime: SellingRuntime, platforms: Platforms) -> list[Task]:
    """The tasks of this room."""

    async def refresh(_job: Job) -> Completion:
        async with runtime.app.read() as session:
            centers = await list_data_centers(session)
        found: dict[str, Capacity] = {}
        for name in {center.platform for center in centers} & platforms.keys():
            try:
                found[name] = await platforms[name].capacity()
            except PlatformError as error:
                _log.warning("capacity.unknown", platform=name, detail=error.detail)

        async def record(session: WriteSession) -> None:
            for center in centers:
                if center.platform in found:
                    await record_capacity(
                        session, data_center_id=center.id, capacity=found[center.platform]
                    )
            again = session.clock.now() + REFRESH_EVERY
            await enqueue(session, REFRESH_JOB, payload={}, dedupe_key=REFRESH_JOB, run_at=again)

        return record

    return [Task(kind=REFRESH_JOB, work=refresh)]
