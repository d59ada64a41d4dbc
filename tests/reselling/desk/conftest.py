"""A shop with a service, and the application of its staff, on one database."""

from collections.abc import AsyncIterator

import pytest

from tests.reselling.house import House, open_house
from tests.reselling.services.shop import Shop, open_shop


@pytest.fixture
async def shop(reselling_database_url: str) -> AsyncIterator[Shop]:
    async with open_shop(reselling_database_url) as opened:
        yield opened


@pytest.fixture
async def house(shop: Shop, reselling_database_url: str) -> AsyncIterator[House]:
    async with open_house(reselling_database_url) as running:
        yield running
