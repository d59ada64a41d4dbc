import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import pytest

from reselling_service.staff import routes as reselling
from selling_service.staff import routes as selling
from shared.kit.people import Role
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, House, make_app, run_house

__all__ = ["house", "service"]


@pytest.fixture
async def sandbox(service: tuple[str, str]) -> AsyncIterator[House]:
    name, url = service
    routers = {
        "selling": [*selling.admin_routers, *selling.sandbox_routers],
        "reselling": [*reselling.staff_routers, *reselling.sandbox_routers],
    }[name]
    async with run_house(name, url=url, routers=routers, sandbox=True) as running:
        yield running


@pytest.mark.parametrize("role", list(Role))
async def test_owners_and_operators_move_the_clock_everybody_reads_it(
    sandbox: House, role: Role
) -> None:
    async with await sandbox.as_(role) as client:
        before = await client.get(f"{BASE}/clock")
        moved = await client.post(f"{BASE}/clock", json={"advance_seconds": 86_400})
        after = await client.get(f"{BASE}/clock")
    assert before.status_code == after.status_code == 200
    allowed = role in {Role.OWNER, Role.OPERATOR}
    assert moved.status_code == (200 if allowed else 403)
    went = datetime.fromisoformat(after.json()["now"]) - datetime.fromisoformat(
        before.json()["now"]
    )
    assert (went >= timedelta(days=1)) is allowed
    assert after.json()["advanced_seconds"] == (86_400 if allowed else 0)


async def test_the_clock_stays_where_it_was_put_and_adds_up(sandbox: House) -> None:
    async with await sandbox.as_(Role.OPERATOR) as client:
        for _ in range(2):
            await client.post(f"{BASE}/clock", json={"advance_seconds": 100})
        # Longer than the pause between two looks at the table.
        await asyncio.sleep(0.5)
        assert (await client.get(f"{BASE}/clock")).json()["advanced_seconds"] == 200
        entries = (await client.get(f"{BASE}/audit", params={"object_type": "clock"})).json()
    assert [entry["after"]["advanced_seconds"] for entry in entries["items"]] == [100, 200]


async def test_moving_the_clock_logs_nobody_out(sandbox: House) -> None:
    async with await sandbox.as_(Role.OWNER) as client:
        body = {"advance_seconds": 40 * 86_400}
        assert (await client.post(f"{BASE}/clock", json=body)).status_code == 200
        assert (await client.get(f"{BASE}/me")).status_code == 200


@pytest.mark.parametrize("seconds", [0, -1, 367 * 86_400, "soon", 1.5])
async def test_the_clock_goes_on_only_and_not_too_far(sandbox: House, seconds: object) -> None:
    async with await sandbox.as_(Role.OWNER) as client:
        answer = await client.post(f"{BASE}/clock", json={"advance_seconds": seconds})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_the_clock_ends_a_hundred_years_ahead(sandbox: House) -> None:
    async with await sandbox.as_(Role.OWNER) as client:
        year = {"advance_seconds": 366 * 86_400}
        answers = [(await client.post(f"{BASE}/clock", json=year)).status_code for _ in range(101)]
    assert answers == [200] * 100 + [422]


async def test_outside_a_sandbox_there_is_no_clock(house: House, service: tuple[str, str]) -> None:
    paths = house.app.openapi()["paths"]
    assert not [path for path in paths if path.endswith("/clock")]
    routers = {
        "selling": [*selling.admin_routers, *selling.sandbox_routers],
        "reselling": [*reselling.staff_routers, *reselling.sandbox_routers],
    }[service[0]]
    house.app = make_app(routers)
    house.app.state.runtime = house.runtime
    async with await house.as_(Role.OWNER) as client:
        read = await client.get(f"{BASE}/clock")
        moved = await client.post(f"{BASE}/clock", json={"advance_seconds": 1})
    assert (read.status_code, moved.status_code) == (404, 404)
