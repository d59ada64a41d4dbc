"""A house with one partner for each test of services."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.selling.services.house import Caller, House, open_house


@pytest.fixture
async def house(selling_database_url: str) -> AsyncIterator[House]:
    """A provider with one tariff."""
    async with open_house(selling_database_url) as found:
        yield found


@pytest.fixture
async def partner(house: House) -> AsyncIterator[Caller]:
    """A partner with 10,000.00 EUR and a discount of 10 percent."""
    caller = await house.new_partner()
    async with caller.http:
        yield caller


@pytest.fixture
async def ref(house: House, partner: Caller) -> str:
    """The service_ref of an active service, which is paid for a month."""
    body = house.order()
    assert (await partner.send("/services", body)).status_code == 202
    await house.settle(partner.id)
    return str(body["service_ref"])


@pytest.fixture
async def desk(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """An operator of the provider's."""
    operator = await house.as_staff()
    yield operator
    await operator.aclose()
