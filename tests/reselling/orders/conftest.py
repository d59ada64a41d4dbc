"""A shop with a client, on a fresh database."""

from collections.abc import AsyncIterator

import pytest

from tests.reselling.house_fixtures import house
from tests.reselling.services.shop import Shop, open_shop

__all__ = ["house", "shop"]


@pytest.fixture
async def shop(reselling_database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(reselling_database_url) as opened:
        yield opened
