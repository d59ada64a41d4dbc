"""`GET /events`: pages, cursors and long poll."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from selling_service.database import SellingRuntime
from selling_service.events.actions import prune_events
from selling_service.events.tasks import PRUNE_JOB, tasks
from shared.contract.basics import Scope
from tests.job import job_of
from tests.kit.stage import ManualClock
from tests.selling.events.stage import Seat, happen, make_app, open_runtime, seat

FEED = "/partner/v1/events"


@pytest.fixture
async def client(runtime: SellingRuntime) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(runtime)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://seller.test") as one,
    ):
        yield one


@pytest.fixture
async def reader(runtime: SellingRuntime) -> Seat:
    return await seat(runtime, name="Reseller A")


def code(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


async def prune(runtime: SellingRuntime) -> None:
    (task,) = (task for task in tasks(runtime) if task.kind == PRUNE_JOB)
    await task.work(job_of(task.kind))


async def test_an_empty_feed_is_an_empty_page(client: httpx.AsyncClient, reader: Seat) -> None:
    answer = await client.get(FEED, headers=reader.headers)
    assert answer.status_code == 200
    assert answer.json() == {"items": [], "next": None, "head": None}
    assert answer.headers["Tandem-Contract"] == "1.0"


async def test_pages_follow_each_other_to_the_head(
    client: httpx.AsyncClient, runtime: SellingRuntime, reader: Seat
) -> None:
    for _ in range(5):
        await happen(runtime, reader)
    first = (await client.get(FEED, headers=reader.headers, params={"limit": 3})).json()
    after = {"after": first["next"], "limit": 3}
    second = (await client.get(FEED, headers=reader.headers, params=after)).json()
    assert [event["number"] for event in first["items"] + second["items"]] == [1, 2, 3, 4, 5]
    assert first["next"] == first["items"][-1]["cursor"]
    assert second["next"] == second["head"] == first["head"]
    last = (await client.get(FEED, headers=reader.headers, params={"after": second["next"]})).json()
    assert last == {"items": [], "next": second["next"], "head": second["head"]}


async def test_reading_changes_nothing_for_other_readers(
    client: httpx.AsyncClient, runtime: SellingRuntime, reader: Seat
) -> None:
    await happen(runtime, reader)
    answers = [await client.get(FEED, headers=reader.headers) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(answers[0].json()["items"]) == 1


async def test_each_partner_has_a_feed_of_its_own(
    client: httpx.AsyncClient, runtime: SellingRuntime, reader: Seat
) -> None:
    other = await seat(runtime, name="Reseller B")
    await happen(runtime, other)
    assert (await client.get(FEED, headers=reader.headers)).json()["items"] == []
    theirs = (await client.get(FEED, headers=other.headers)).json()["head"]
    mine = await client.get(FEED, headers=reader.headers, params={"after": theirs})
    assert code(mine) == (410, "cursor_lost")


async def test_a_cursor_that_does_not_fit_is_lost(
    client: httpx.AsyncClient, runtime: SellingRuntime, reader: Seat
) -> None:
    await happen(runtime, reader)
    for cursor in ("1-000000000000", "2-000000000000", "0-000000000000", "99-abcdefabcdef"):
        answer = await client.get(FEED, headers=reader.headers, params={"after": cursor})
        assert code(answer) == (410, "cursor_lost"), cursor


@pytest.mark.parametrize(
    "cursor", ["", "1", "1-xyz", "-1-000000000000", "1-0000000000001", "x" * 40]
)
async def test_a_cursor_that_can_not_be_read_is_invalid(
    client: httpx.AsyncClient, reader: Seat, cursor: str
) -> None:
    answer = await client.get(FEED, headers=reader.headers, params={"after": cursor})
    assert code(answer) == (400, "cursor_invalid")


async def test_what_is_no_longer_kept_is_expired_but_its_newest_still_leads_on(
    client: httpx.AsyncClient, runtime: SellingRuntime, reader: Seat, clock: ManualClock
) -> None:
    for _ in range(3):
        await happen(runtime, reader)
    old = (await client.get(FEED, headers=reader.headers)).json()["items"]
    clock.advance(timedelta(days=91))
    await prune(runtime)
    # Nothing has happened since: whoever read all of it goes on as if nothing had been pruned.
    follow = await client.get(FEED, headers=reader.headers, params={"after": old[2]["cursor"]})
    assert follow.json()["items"] == []
    await happen(runtime, reader)
    await prune(runtime)
    follow = await client.get(FEED, headers=reader.headers, params={"after": old[2]["cursor"]})
    assert [event["number"] for event in follow.json()["items"]] == [4]
    for event in old[:2]:
        late = await client.get(FEED, headers=reader.headers, params={"after": event["cursor"]})
        assert code(late) == (410, "cursor_expired")
    kept = (await client.get(FEED, headers=reader.headers)).json()["items"]
    assert [event["number"] for event in kept] == [3, 4]


async def test_pruning_goes_in_portions(
    runtime: SellingRuntime, reader: Seat, clock: ManualClock
) -> None:
    for _ in range(5):
        await happen(runtime, reader)
    clock.advance(timedelta(days=100))
    for expected in (3, 1, 0):
        async with runtime.staff.write() as session:
            assert await prune_events(session, before=clock.now(), limit=3) == expected


async def test_long_poll_answers_as_soon_as_something_happens(
    client: httpx.AsyncClient, runtime: SellingRuntime, reader: Seat
) -> None:
    waiting = asyncio.create_task(
        client.get(FEED, headers=reader.headers, params={"wait": 20}, timeout=30)
    )
    await asyncio.sleep(0.3)
    assert not waiting.done()
    await happen(runtime, reader)
    answer = await asyncio.wait_for(waiting, timeout=0.4)
    assert [event["number"] for event in answer.json()["items"]] == [1]


async def test_long_poll_hears_what_another_process_did(
    client: httpx.AsyncClient,
    runtime: SellingRuntime,
    reader: Seat,
    selling_database_url: str,
    clock: ManualClock,
) -> None:
    async with open_runtime(selling_database_url, clock=clock) as other:
        waiting = asyncio.create_task(
            client.get(FEED, headers=reader.headers, params={"wait": 20}, timeout=30)
        )
        await asyncio.sleep(0.3)
        await happen(other, reader)
        answer = await asyncio.wait_for(waiting, timeout=2)
    assert len(answer.json()["items"]) == 1


async def test_long_poll_comes_back_empty_when_the_time_is_over(
    client: httpx.AsyncClient, reader: Seat
) -> None:
    began = asyncio.get_running_loop().time()
    answer = await client.get(FEED, headers=reader.headers, params={"wait": 0.7})
    took = asyncio.get_running_loop().time() - began
    assert answer.json()["items"] == []
    assert 0.6 < took < 2


async def test_a_key_without_the_scope_reads_nothing(
    client: httpx.AsyncClient, runtime: SellingRuntime
) -> None:
    poor = await seat(runtime, name="Reseller B", scopes=(Scope.SERVICES_READ,))
    assert code(await client.get(FEED, headers=poor.headers)) == (403, "insufficient_scope")
    stream = await client.get(f"{FEED}/stream", headers=poor.headers)
    assert code(stream) == (403, "insufficient_scope")
    assert code(await client.get(FEED)) == (401, "unauthorized")


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 501}, {"wait": 31}, {"wait": -1}])
async def test_values_out_of_range_are_refused(
    client: httpx.AsyncClient, reader: Seat, query: dict[str, int]
) -> None:
    answer = await client.get(FEED, headers=reader.headers, params=query)
    assert code(answer) == (422, "invalid_request")
