"""A shop for each test of the ledger."""

from collections.abc import AsyncIterator

import pytest

from tests.selling.catalog.shop import Shop, open_shop


@pytest.fixture
async def shop(selling_database_url: str) -> AsyncIterator[Shop]:
    """A provider's shop with empty shelves."""
    async with open_shop(selling_database_url) as opened:
        yield opened
