"""The fixtures `service` and `house`: staff of either service, each test with both."""

from collections.abc import AsyncIterator

import pytest

from reselling_service.staff.routes import staff_routers
from selling_service.staff.routes import admin_routers
from tests.kit.people_house import House, run_house

__all__ = ["house", "service"]


@pytest.fixture(params=["selling", "reselling"])
def service(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Name of a service and the URL of a fresh database of it."""
    return request.param, request.getfixturevalue(f"{request.param}_database_url")


@pytest.fixture
async def house(service: tuple[str, str]) -> AsyncIterator[House]:
    """Run the staff's routes of one service on a fresh database."""
    name, url = service
    routers = {"selling": admin_routers, "reselling": staff_routers}[name]
    async with run_house(name, url=url, routers=routers) as running:
        yield running
