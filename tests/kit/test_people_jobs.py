"""Staff look at stuck jobs, revive them, or throw them away with a reason that is kept."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from httpx import AsyncClient
from sqlalchemy import text

from shared.kit.jobs import enqueue
from shared.kit.jobs.queue import claim, set_back
from shared.kit.people import Role
from tests.kit.people_fixtures import house, service
from tests.kit.people_house import BASE, House

__all__ = ["house", "service"]
KEPT = {"selling": "operation", "reselling": "forward"}


async def make_dead(house: House, kind: str = "chore", **payload: object) -> int:
    async with house.runtime.staff.write() as session:
        number = await enqueue(session, kind, payload=payload, max_attempts=1)
    async with house.runtime.staff.write() as session:
        for job in await claim(session, worker=1, limit=10, lease_seconds=30):
            now = session.clock.now()
            await set_back(session, job, error="ValueError: broken", run_at=now, dead=True)
    return number


async def entries(owner: AsyncClient, action: str) -> list[Any]:
    items = (await owner.get(f"{BASE}/audit", params={"object_type": "job"})).json()["items"]
    return [entry for entry in items if entry["action"] == action]


@asynccontextmanager
async def owner_of(house: House) -> AsyncIterator[AsyncClient]:
    async with await house.as_(Role.OWNER) as owner:
        yield owner


async def test_dead_jobs_are_listed_page_by_page_and_secrets_are_not_shown(house: House) -> None:
    numbers = [await make_dead(house, secret="hush") for _ in range(3)]
    async with house.runtime.staff.write() as session:
        await enqueue(session, "chore", payload={})  # waits, and isn't stuck
    async with owner_of(house) as owner:
        first = (await owner.get(f"{BASE}/jobs", params={"limit": 2})).json()
        rest = (await owner.get(f"{BASE}/jobs", params={"after": first["next"]})).json()
        one = await owner.get(f"{BASE}/jobs/{numbers[0]}")
    items = [*first["items"], *rest["items"]]
    assert [item["id"] for item in items] == numbers
    assert rest["next"] is None
    assert {item["last_error"] for item in items} == {"ValueError: broken"}
    assert one.json() == items[0]
    assert one.json()["payload"] == {"secret": "[hidden]"}


async def test_a_cursor_beyond_all_numbers_is_refused(house: House) -> None:
    async with owner_of(house) as owner:
        answer = await owner.get(f"{BASE}/jobs", params={"after": "_" * 22})
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


async def test_a_revived_job_is_due_now_with_all_its_attempts(house: House) -> None:
    number = await make_dead(house)
    async with owner_of(house) as owner:
        revived = (await owner.post(f"{BASE}/jobs/{number}/revive")).json()
        again = await owner.post(f"{BASE}/jobs/{number}/revive")
        assert len(await entries(owner, "job.revive")) == 1
    assert (revived["state"], revived["attempts"]) == ("ready", 0)
    assert (again.status_code, again.json()["code"]) == (409, "job_not_stuck")


async def test_a_job_set_aside_since_it_kills_workers_is_stuck_too(house: House) -> None:
    number = await make_dead(house)
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE jobs SET state = 'ready', crashes = 4"))
    async with owner_of(house) as owner:
        (listed,) = (await owner.get(f"{BASE}/jobs")).json()["items"]
        revived = (await owner.post(f"{BASE}/jobs/{number}/revive")).json()
    assert (listed["id"], listed["crashes"]) == (number, 4)
    assert revived["crashes"] == 0


async def test_a_discarded_job_is_gone_and_the_audit_keeps_it_with_the_reason(
    house: House,
) -> None:
    number = await make_dead(house, thing="one")
    async with owner_of(house) as owner:
        gone = await owner.post(f"{BASE}/jobs/{number}/discard", json={"reason": "a bad release"})
        (entry,) = await entries(owner, "job.discard")
        after = await owner.get(f"{BASE}/jobs/{number}")
    assert gone.status_code == 200
    assert after.status_code == 404
    assert entry["after"] == {"reason": "a bad release"}
    assert (entry["before"]["kind"], entry["before"]["payload"]) == ("chore", {"thing": "one"})


async def test_what_something_waits_for_is_not_thrown_away(
    house: House, service: tuple[str, str]
) -> None:
    number = await make_dead(house, KEPT[service[0]])
    async with owner_of(house) as owner:
        answer = await owner.post(f"{BASE}/jobs/{number}/discard", json={"reason": "in the way"})
        still = await owner.get(f"{BASE}/jobs/{number}")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_is_kept")
    assert still.json()["state"] == "dead"


async def test_only_operators_change_jobs(house: House) -> None:
    number = await make_dead(house)
    async with await house.as_(Role.FINANCE) as finance:
        seen = await finance.get(f"{BASE}/jobs/{number}")
        refused = [
            await finance.post(f"{BASE}/jobs/{number}/revive"),
            await finance.post(f"{BASE}/jobs/{number}/discard", json={"reason": "no"}),
        ]
    assert seen.status_code == 200
    assert [answer.json()["code"] for answer in refused] == ["role_required"] * 2
