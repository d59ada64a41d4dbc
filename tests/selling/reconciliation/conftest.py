"""The house of the services' tests, with the desk of differences."""

from collections.abc import AsyncIterator

import httpx
import pytest

from selling_service.reconciliation.routes import admin_routers, partner_routers
from tests.selling.services.house import Caller, House, open_house


@pytest.fixture
async def house(selling_database_url: str) -> AsyncIterator[House]:
    async with open_house(
        selling_database_url,
        reconciliation_recheck_seconds=0.0,
        reconciliation_grace_seconds=3600,
    ) as found:
        for router in partner_routers:
            found.app.include_router(router, prefix="/partner/v1")
        for router in admin_routers:
            found.app.include_router(router, prefix="/admin/v1")
        yield found


@pytest.fixture
async def partner(house: House) -> AsyncIterator[Caller]:
    caller = await house.new_partner()
    async with caller.http:
        yield caller


@pytest.fixture
async def ref(house: House, partner: Caller) -> str:
    """The service_ref of an active service."""
    body = house.order()
    assert (await partner.send("/services", body)).status_code == 202
    await house.settle(partner.id)
    return str(body["service_ref"])


@pytest.fixture
async def desk(house: House) -> AsyncIterator[httpx.AsyncClient]:
    operator = await house.as_staff()
    yield operator
    await operator.aclose()
