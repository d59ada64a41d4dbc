"""The fixture `house`: the whole reselling application on a fresh database."""

from collections.abc import AsyncIterator

import pytest

from tests.reselling.house import House, open_house

__all__ = ["house"]


@pytest.fixture
async def house(reselling_database_url: str) -> AsyncIterator[House]:
    """The application, running, with its owner logged in."""
    async with open_house(reselling_database_url) as running:
        yield running
