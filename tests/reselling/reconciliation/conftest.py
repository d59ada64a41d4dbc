"""A shop, its desk, and a seller that it can be compared with."""

from collections.abc import AsyncIterator

import pytest

from tests.reselling.reconciliation.counterpart import Counterpart
from tests.reselling.reconciliation.pair import Pair, open_pair
from tests.reselling.sellers.fake import serve


@pytest.fixture
async def seller() -> AsyncIterator[Counterpart]:
    counterpart = Counterpart()
    async with serve(counterpart):
        yield counterpart


@pytest.fixture
async def pair(reselling_database_url: str, seller: Counterpart) -> AsyncIterator[Pair]:
    async with open_pair(reselling_database_url, seller) as opened:
        yield opened
