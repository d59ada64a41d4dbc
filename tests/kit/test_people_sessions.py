"""People see where they are logged in, and end it."""

from datetime import timedelta
from uuid import uuid4

from argon2 import PasswordHasher
from sqlalchemy import select, update

from shared.kit.people import Role
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, PASSWORD, House

__all__ = ["house", "service"]


async def test_sessions_are_listed_with_where_they_come_from_and_ended_one_by_one(
    house: House,
) -> None:
    email = await house.hire(Role.READ_ONLY)
    async with house.client(address="198.51.100.7") as http:
        headers = {"User-Agent": "Old Phone \x1b[2J"}
        body = {"email": email, "password": PASSWORD}
        await http.post(f"{BASE}/login", json=body, headers=headers)
    async with house.client(await house.log_in(email)) as here:
        listed = (await here.get(f"{BASE}/me/sessions")).json()["items"]
        assert [(one["address"], one["agent"], one["current"]) for one in listed] == [
            ("198.51.100.7", "Old Phone [2J", False),
            ("192.0.2.1", listed[1]["agent"], True),
        ]
        ended = await here.delete(f"{BASE}/me/sessions/{listed[0]['id']}")
        again = await here.delete(f"{BASE}/me/sessions/{listed[0]['id']}")
        left = (await here.get(f"{BASE}/me/sessions")).json()["items"]
    assert (ended.status_code, again.status_code) == (204, 404)
    assert [one["id"] for one in left] == [listed[1]["id"]]


async def test_nobody_ends_the_session_of_another_person(house: House) -> None:
    async with (
        await house.as_(Role.OWNER, email="olga@example.com") as olga,
        await house.as_(Role.READ_ONLY, email="rita@example.com") as rita,
    ):
        (mine,) = (await olga.get(f"{BASE}/me/sessions")).json()["items"]
        for session_id in (mine["id"], uuid4()):
            refused = await rita.delete(f"{BASE}/me/sessions/{session_id}")
            assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
        assert (await olga.get(f"{BASE}/me")).status_code == 200


async def test_all_sessions_end_at_once(house: House) -> None:
    email = await house.hire(Role.OPERATOR)
    async with (
        house.client(await house.log_in(email)) as one,
        house.client(await house.log_in(email)) as other,
    ):
        assert (await one.delete(f"{BASE}/me/sessions")).status_code == 204
        assert (await one.get(f"{BASE}/me")).status_code == 401
        assert (await other.get(f"{BASE}/me")).status_code == 401


async def test_a_session_in_use_is_noted_once_a_minute(house: House) -> None:
    async with await house.as_(Role.OPERATOR) as client:
        for seconds in (59, 1, 30):
            house.clock.advance(timedelta(seconds=seconds))
            await client.get(f"{BASE}/me")
        (mine,) = (await client.get(f"{BASE}/me/sessions")).json()["items"]
    assert mine["seen_at"] == "2030-01-01T00:01:00Z"


async def test_a_hash_of_older_parameters_is_made_anew_at_the_next_login(house: House) -> None:
    email = await house.hire(Role.OPERATOR)
    weak = PasswordHasher(time_cost=2, memory_cost=64).hash(PASSWORD)
    table = house.people.staff
    async with house.runtime.staff.write() as session:
        await session.execute(update(table).values(password_hash=weak))
    await house.log_in(email)
    async with house.runtime.staff.read() as session:
        (kept,) = (await session.scalars(select(table.password_hash))).all()
    assert kept.startswith("$argon2id$")
    assert kept != weak
    assert await house.log_in(email)
