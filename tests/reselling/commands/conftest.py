"""A fake seller on loopback, connected to a reselling service's insides."""

from collections.abc import AsyncIterator

import pytest

from shared.kit.telemetry import configure_logging
from tests.reselling.sellers.fake import FakeSeller, serve
from tests.reselling.sellers.rig import Rig, open_rig


@pytest.fixture(autouse=True, scope="session")
def short_log_lines() -> None:
    configure_logging(service="tests", level="WARNING")


@pytest.fixture
async def fake() -> AsyncIterator[FakeSeller]:
    async with serve(FakeSeller()) as seller:
        yield seller


@pytest.fixture
async def rig(reselling_database_url: str, fake: FakeSeller) -> AsyncIterator[Rig]:
    async with open_rig(reselling_database_url, fake) as made:
        yield made
