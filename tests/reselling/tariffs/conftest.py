"""Gives the tests of this room the running application and a connected seller."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.reselling.house import House
from tests.reselling.house_fixtures import house
from tests.reselling.sellers.fake import serve
from tests.reselling.tariffs.shop import Shop, connect

__all__ = ["house"]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    """A seller that listens and offers nothing yet."""
    seller = Shop()
    async with serve(seller):
        yield seller


@pytest.fixture
async def seller_id(house: House, shop: Shop) -> UUID:
    """The shop, connected."""
    return await connect(house, shop)
