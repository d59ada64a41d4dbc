"""Keeps the counters of capacity near what the platforms say."""

from datetime import timedelta

import structlog

from selling_service.catalog.actions import REFRESH_CAPACITY, record_capacity
from selling_service.catalog.queries import platform_names
from selling_service.database import SellingRuntime
from selling_service.provisioning.actions import answering
from selling_service.provisioning.platform import Capacity, PlatformError, Platforms
from shared.kit.db import WriteSession
from shared.kit.jobs import Completion, Job, Task

_log = structlog.get_logger(__name__)
REFRESH_EVERY = timedelta(seconds=60)


def tasks(runtime: SellingRuntime, platforms: Platforms) -> list[Task]:
    """The tasks of this room."""

    async def refresh(_job: Job) -> Completion:
        async with runtime.app.read() as session:
            names = await platform_names(session)
        found: dict[str, Capacity] = {}
        for name in names & platforms.keys():
            try:
                async with answering(runtime):
                    found[name] = await platforms[name].capacity()
            except PlatformError as error:
                _log.warning("capacity.unknown", platform=name, detail=error.detail)

        async def record(session: WriteSession) -> None:
            for name in sorted(found):
                await record_capacity(
                    session,
                    platform=name,
                    capacity=found[name],
                    capabilities=platforms[name].capabilities,
                )

        return record

    return [Task(kind=REFRESH_CAPACITY, work=refresh, every=REFRESH_EVERY)]
