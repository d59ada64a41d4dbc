import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select

from shared.kit.people import Role
from shared.kit.people.lockouts import LOCK, MOST_ATTEMPTS
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, PASSWORD, House

__all__ = ["house", "service"]
WRONG = "not the right password"


async def attempt(house: House, email: str, password: str = WRONG) -> tuple[int, str]:
    async with house.client() as client:
        body = {"email": email, "password": password}
        answer = await client.post(f"{BASE}/login", json=body)
    return answer.status_code, answer.json().get("code", "")


async def test_the_right_password_opens_a_session_that_says_who_it_is(house: House) -> None:
    async with await house.as_(Role.FINANCE, email="fay@example.com") as client:
        answer = await client.get(f"{BASE}/me")
    assert answer.status_code == 200
    assert answer.json()["email"] == "fay@example.com"
    assert answer.json()["role"] == "finance"


async def test_the_address_may_be_typed_in_any_case(house: House) -> None:
    await house.hire(Role.OWNER, email="olga@example.com")
    assert await house.log_in(" OLGA@Example.com ")


async def test_a_wrong_password_and_an_unknown_login_answer_alike(house: House) -> None:
    await house.hire(Role.OWNER, email="olga@example.com")
    async with house.client() as client:
        known, unknown = [
            await client.post(f"{BASE}/login", json={"email": email, "password": WRONG})
            for email in ("olga@example.com", "nobody@example.com")
        ]
    assert known.status_code == unknown.status_code == 401
    assert known.headers["WWW-Authenticate"] == "Bearer"
    differing = {"request_id", "trace_id"}
    assert {key: value for key, value in known.json().items() if key not in differing} == {
        key: value for key, value in unknown.json().items() if key not in differing
    }


@pytest.mark.parametrize("email", ["olga@example.com", "nobody@example.com"])
async def test_too_many_attempts_lock_the_login_whether_it_exists_or_not(
    house: House, email: str
) -> None:
    await house.hire(Role.OWNER, email="olga@example.com")
    answers = [await attempt(house, email) for _ in range(MOST_ATTEMPTS)]
    assert answers == [(401, "unauthorized")] * MOST_ATTEMPTS
    async with house.client() as client:
        body = {"email": email, "password": PASSWORD}
        locked = await client.post(f"{BASE}/login", json=body)
    assert (locked.status_code, locked.json()["code"]) == (429, "rate_limited")
    assert locked.headers["Retry-After"] == str(int(LOCK.total_seconds()))


async def test_attempts_at_once_are_all_counted(house: House) -> None:
    await house.hire(Role.OWNER, email="olga@example.com")
    tries = [attempt(house, "olga@example.com") for _ in range(MOST_ATTEMPTS + 5)]
    answers = sorted(status for status, _ in await asyncio.gather(*tries))
    assert answers == [401] * MOST_ATTEMPTS + [429] * 5


async def test_the_lock_ends_by_itself_and_others_never_felt_it(house: House) -> None:
    await house.hire(Role.OWNER, email="olga@example.com")
    await house.hire(Role.OWNER, email="otto@example.com")
    for _ in range(MOST_ATTEMPTS):
        await attempt(house, "olga@example.com")
    assert await house.log_in("otto@example.com")
    house.clock.advance(LOCK - timedelta(seconds=1))
    assert (await attempt(house, "olga@example.com", PASSWORD))[0] == 429
    house.clock.advance(timedelta(seconds=1))
    assert await house.log_in("olga@example.com")


async def test_a_success_begins_the_count_anew(house: House) -> None:
    await house.hire(Role.OWNER, email="olga@example.com")
    for _ in range(2):
        for _ in range(MOST_ATTEMPTS - 1):
            await attempt(house, "olga@example.com")
        await house.log_in("olga@example.com")


async def test_a_session_in_use_ends_after_twelve_hours(house: House) -> None:
    async with await house.as_(Role.OWNER) as client:
        for _ in range(11):
            house.clock.advance(timedelta(hours=1))
            assert (await client.get(f"{BASE}/me")).status_code == 200
        house.clock.advance(timedelta(hours=1) - timedelta(seconds=1))
        assert (await client.get(f"{BASE}/me")).status_code == 200
        house.clock.advance(timedelta(seconds=1))
        ended = await client.get(f"{BASE}/me")
    assert (ended.status_code, ended.json()["code"]) == (401, "unauthorized")


async def test_a_session_that_nobody_uses_ends_after_two_hours(house: House) -> None:
    async with await house.as_(Role.OWNER) as client:
        house.clock.advance(timedelta(hours=2) - timedelta(seconds=1))
        assert (await client.get(f"{BASE}/me")).status_code == 200
        house.clock.advance(timedelta(hours=2) - timedelta(seconds=1))
        assert (await client.get(f"{BASE}/me")).status_code == 200
        house.clock.advance(timedelta(hours=2))
        assert (await client.get(f"{BASE}/me")).status_code == 401


async def test_logging_out_ends_this_session_and_no_other(house: House) -> None:
    email = await house.hire(Role.OPERATOR)
    async with (
        house.client(await house.log_in(email)) as one,
        house.client(await house.log_in(email)) as other,
    ):
        assert (await one.post(f"{BASE}/logout")).status_code == 204
        assert (await one.get(f"{BASE}/me")).status_code == 401
        assert (await other.get(f"{BASE}/me")).status_code == 200


@pytest.mark.parametrize("header", [None, "Bearer", "Bearer nonsense", "Basic abc", "Bearer a b"])
async def test_without_a_session_nothing_is_told(house: House, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    async with house.client() as client:
        answer = await client.get(f"{BASE}/me", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_token_isnt_kept(house: House) -> None:
    token = await house.log_in(await house.hire(Role.OWNER))
    async with house.runtime.staff.read() as session:
        (kept,) = (await session.scalars(select(house.people.sessions.token_hash))).all()
    assert token.encode() not in kept
    assert len(kept) == 32


async def test_a_new_password_ends_all_sessions_and_the_old_password(house: House) -> None:
    email = await house.hire(Role.OPERATOR)
    async with (
        house.client(await house.log_in(email)) as one,
        house.client(await house.log_in(email)) as other,
    ):
        body = {"current_password": PASSWORD, "new_password": "another long password"}
        assert (await one.post(f"{BASE}/me/password", json=body)).status_code == 204
        assert (await one.get(f"{BASE}/me")).status_code == 401
        assert (await other.get(f"{BASE}/me")).status_code == 401
    assert (await attempt(house, email, PASSWORD))[0] == 401
    assert await house.log_in(email, password="another long password")


async def test_whoever_steals_a_session_cant_guess_the_password_for_ever(house: House) -> None:
    body = {"current_password": WRONG, "new_password": "another long password"}
    async with await house.as_(Role.OPERATOR) as client:
        answers = [
            (await client.post(f"{BASE}/me/password", json=body)).status_code
            for _ in range(MOST_ATTEMPTS + 1)
        ]
    assert answers == [403] * MOST_ATTEMPTS + [429]
