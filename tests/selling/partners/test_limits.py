from dataclasses import replace
from itertools import count

import pytest

from shared.kit.problems import ProblemError
from shared.kit.rates import Limits
from tests.kit.people_house import BASE, House, make_app
from tests.selling.partners.conftest import small_api
from tests.selling.partners.factories import create_reseller


async def test_who_asks_too_often_waits_but_can_still_suspend(house: House) -> None:
    house.runtime.settings = house.runtime.settings.model_copy(
        update={"requests_per_minute": 2, "urgent_requests_per_minute": 3}
    )
    reseller, other = await create_reseller(house), await create_reseller(house, name="B")
    async with reseller.client() as client, other.client() as neighbour:
        fine = [await client.get(f"{BASE}/events") for _ in range(2)]
        limited = await client.get(f"{BASE}/events")
        urgent = await client.post(f"{BASE}/suspend")
        neighbours = await neighbour.get(f"{BASE}/events")
    assert [answer.headers["RateLimit"].split(";")[1] for answer in fine] == ["r=1", "r=0"]
    assert fine[0].headers["RateLimit-Policy"] == '"default";q=2;w=60'
    assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
    assert 1 <= int(limited.headers["Retry-After"]) <= 30
    assert limited.headers["RateLimit"].startswith('"default";r=0;t=')
    assert (urgent.status_code, neighbours.status_code) == (200, 200)
    assert urgent.headers["RateLimit-Policy"] == '"urgent";q=3;w=60'


async def test_two_processes_let_no_more_through_than_one(house: House) -> None:
    """Each with its own memory, on one database."""
    reseller = await create_reseller(house)
    shared = {"requests_per_minute": 6, "api_processes": 2}
    house.runtime.settings = house.runtime.settings.model_copy(update=shared)
    twin = replace(house, app=make_app([small_api]))
    twin.app.state.runtime = house.runtime
    answers = []
    for process in (house, twin):
        async with process.client(reseller.token) as client:
            answers += [await client.get(f"{BASE}/events") for _ in range(5)]
    assert [answer.status_code for answer in answers].count(200) == 6
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {'"default";q=3;w=60'}


async def test_refusals_carry_the_headers_as_well(house: House) -> None:
    reseller = await create_reseller(house, scopes=())
    async with reseller.client() as client:
        answer = await client.get(f"{BASE}/events")
    assert answer.status_code == 403
    assert answer.headers["RateLimit"].startswith('"default";r=')


def test_a_bucket_fills_evenly_and_never_beyond_its_size() -> None:
    seconds = [0.0]
    limits = Limits(monotonic=lambda: seconds[0])

    def burst() -> int:
        for taken in count():
            try:
                limits.take("default", "who", per_minute=6)
            except ProblemError:
                return taken
        raise AssertionError

    assert burst() == 6
    seconds[0] += 20
    assert burst() == 2
    seconds[0] += 9.9
    assert burst() == 0
    seconds[0] += 0.2
    assert burst() == 1
    seconds[0] += 3600
    assert burst() == 6


def test_the_wait_that_is_named_is_enough() -> None:
    seconds = [0.0]
    limits = Limits(monotonic=lambda: seconds[0])
    limits.take("default", "who", per_minute=1)
    with pytest.raises(ProblemError) as refusal:
        limits.take("default", "who", per_minute=1)
    seconds[0] += int(refusal.value.headers["Retry-After"])
    assert limits.take("default", "who", per_minute=1)["RateLimit"] == '"default";r=0;t=60'
