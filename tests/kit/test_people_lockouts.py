"""Guessing at logins is slowed down by login, by address and by both, and shuts nobody else out."""

from dataclasses import replace
from datetime import timedelta

import pytest
from httpx import Response

from shared.kit.addresses import network_of
from shared.kit.people import Role, lockouts
from shared.kit.people.lockouts import LOCK, MOST_ATTEMPTS
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, PASSWORD, House, run_house

__all__ = ["house", "service"]
WRONG = "not the right password"
HOME, AWAY = "192.0.2.1", "198.51.100.7"


FROM_ANYWHERE = 12


@pytest.fixture(autouse=True)
def few_attempts_from_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred hashes would take long to wait for."""
    monkeypatch.setattr(lockouts, "FROM_ALL", replace(lockouts.FROM_ALL, most=FROM_ANYWHERE))


async def attempt(
    house: House, email: str, password: str = WRONG, *, address: str = AWAY
) -> Response:
    async with house.client(address=address) as client:
        body = {"email": email, "password": password}
        return await client.post(f"{BASE}/login", json=body)


async def test_a_stranger_locks_the_login_for_themselves_and_not_for_its_owner(
    house: House,
) -> None:
    olga = await house.hire(Role.OWNER, email="olga@example.com")
    for _ in range(MOST_ATTEMPTS):
        await attempt(house, olga)
    assert (await attempt(house, olga, PASSWORD)).status_code == 429
    assert (await attempt(house, olga, PASSWORD, address=HOME)).status_code == 201


async def test_many_strangers_slow_a_login_down_but_not_where_its_owner_is_known(
    house: House,
) -> None:
    olga = await house.hire(Role.OWNER, email="olga@example.com")
    assert (await attempt(house, olga, PASSWORD, address=HOME)).status_code == 201
    for number in range(FROM_ANYWHERE):
        assert (await attempt(house, olga, address=f"203.0.113.{number}")).status_code == 401
    refused = await attempt(house, olga, PASSWORD, address=f"203.0.113.{FROM_ANYWHERE}")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "60")
    assert (await attempt(house, olga, PASSWORD, address=HOME)).status_code == 201
    # One attempt is let through after the wait, and the next wait is twice as long.
    house.clock.advance(timedelta(minutes=1))
    assert (await attempt(house, olga, address="203.0.113.99")).status_code == 401
    again = await attempt(house, olga, address="203.0.113.99")
    assert again.headers["Retry-After"] == "120"


async def test_each_wait_after_a_lock_is_twice_as_long(house: House) -> None:
    olga = await house.hire(Role.OWNER, email="olga@example.com")
    for _ in range(MOST_ATTEMPTS):
        await attempt(house, olga)
    assert (await attempt(house, olga)).headers["Retry-After"] == "300"
    house.clock.advance(LOCK)
    assert (await attempt(house, olga)).status_code == 401
    assert (await attempt(house, olga)).headers["Retry-After"] == "600"


async def test_who_hammers_on_a_locked_login_doesnt_use_up_the_attempts_of_others(
    house: House,
) -> None:
    olga = await house.hire(Role.OWNER, email="olga@example.com")
    for _ in range(MOST_ATTEMPTS * 3):
        await attempt(house, olga)
    assert (await attempt(house, olga, PASSWORD, address="203.0.113.5")).status_code == 201


async def test_an_address_that_tries_many_logins_waits_and_others_dont(
    service: tuple[str, str],
) -> None:
    name, url = service
    async with run_house(name, url=url, routers=[], login_attempts_per_address=3) as house:
        olga = await house.hire(Role.OWNER, email="olga@example.com")
        assert (await attempt(house, olga, PASSWORD, address=HOME)).status_code == 201
        for number in range(3):
            guessed = await attempt(house, f"guess{number}@example.com", address=HOME)
            assert guessed.status_code == 401
        refused = await attempt(house, "guess4@example.com", address=HOME)
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert "from your address" in refused.json()["detail"]
        # Whoever has logged in from there before isn't held up by a neighbour.
        assert (await attempt(house, olga, PASSWORD, address=HOME)).status_code == 201
        assert (await attempt(house, olga, PASSWORD)).status_code == 201


async def test_a_limit_holds_over_all_processes(service: tuple[str, str]) -> None:
    name, url = service
    async with run_house(name, url=url, routers=[]) as house:
        keys = house.runtime.settings.secret_keys
        async with run_house(name, url=url, routers=[], secret_keys=keys) as other:
            for _ in range(MOST_ATTEMPTS // 2):
                assert (await attempt(house, "olga@example.com")).status_code == 401
                assert (await attempt(other, "olga@example.com")).status_code == 401
            assert (await attempt(house, "olga@example.com")).status_code == 429
            assert (await attempt(other, "olga@example.com")).status_code == 429


async def test_a_new_password_from_an_owner_lets_the_locked_in(house: House) -> None:
    async with await house.as_(Role.OWNER, email="olga@example.com") as owner:
        await house.hire(Role.OPERATOR, email="nora@example.com")
        for _ in range(MOST_ATTEMPTS):
            await attempt(house, "nora@example.com")
        people = (await owner.get(f"{BASE}/staff")).json()["items"]
        body = {"password": "what olga chose for her"}
        await owner.patch(f"{BASE}/staff/{people[-1]['id']}", json=body)
    assert (await attempt(house, "nora@example.com", body["password"])).status_code == 201


async def test_strangers_at_the_login_dont_keep_the_owner_from_a_new_password(
    house: House,
) -> None:
    async with await house.as_(Role.OWNER, email="olga@example.com") as owner:
        for _ in range(MOST_ATTEMPTS + 1):
            await attempt(house, "olga@example.com", address=HOME)
        body = {"current_password": PASSWORD, "new_password": "another long password"}
        assert (await owner.post(f"{BASE}/me/password", json=body)).status_code == 204


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testserver", "unknown"),
        (None, "unknown"),
    ],
)
def test_attempts_are_counted_by_household(address: str | None, network: str) -> None:
    assert network_of(address) == network
