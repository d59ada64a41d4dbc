"""A fake seller on loopback, connected to a reselling service's insides."""

from collections.abc import AsyncIterator

import pytest

from tests.reselling.sellers.fake import FakeSeller, serve
from tests.reselling.sellers.rig import Rig, open_rig


@pytest.fixture
async def fake() -> AsyncIterator[FakeSeller]:
    async with serve(FakeSeller()) as seller:
        yield seller


@pytest.fixture
async def rig(reselling_database_url: str, fake: FakeSeller) -> AsyncIterator[Rig]:
    async with open_rig(reselling_database_url, fake) as made:
        yield made
