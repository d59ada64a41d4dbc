"""A provider's runtime with a clock of its own."""

from collections.abc import AsyncIterator

import pytest

from selling_service.database import SellingRuntime
from shared.kit.telemetry import configure_logging
from tests.kit.stage import ManualClock
from tests.selling.events.stage import open_runtime


@pytest.fixture(autouse=True, scope="session")
def short_log_lines() -> None:
    configure_logging(service="tests", level="WARNING")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def runtime(selling_database_url: str, clock: ManualClock) -> AsyncIterator[SellingRuntime]:
    async with open_runtime(selling_database_url, clock=clock) as running:
        yield running
