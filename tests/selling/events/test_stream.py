"""`GET /events/stream`: server-sent events over a real connection."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from selling_service.database import SellingRuntime
from selling_service.events.routes import feed
from selling_service.events.routes import reader as reader_module
from tests.kit.serving import serving
from tests.kit.stage import START, ManualClock, eventually
from tests.selling.events.stage import Line, Seat, happen, lines, make_app, open_runtime, seat

FEED, STREAM = "/partner/v1/events", "/partner/v1/events/stream"


@asynccontextmanager
async def following(
    client: httpx.AsyncClient, reader: Seat, **headers: str
) -> AsyncIterator[AsyncIterator[Line]]:
    async with client.stream(
        "GET", STREAM, headers=reader.headers | headers, timeout=20
    ) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield lines(response)


async def next_event(found: AsyncIterator[Line]) -> Line:
    async with asyncio.timeout(5):
        async for line in found:
            if line.id is not None:
                return line
    raise AssertionError("the stream ended")


async def drained(found: AsyncIterator[Line]) -> int:
    """Read to the end; how many events there were."""
    return len([line async for line in found if line.id])


async def readers(runtime: SellingRuntime, number: int) -> bool:
    """Whether so many wait for news."""
    return sum(map(len, runtime.hints._waiting.values())) == number


async def test_events_come_at_once_with_id_type_and_data(runtime: SellingRuntime) -> None:
    reader = await seat(runtime, name="Reseller A")
    async with serving(make_app(runtime)) as (client, _), following(client, reader) as stream:
        await happen(runtime, reader)
        loop = asyncio.get_running_loop()
        began = loop.time()
        line = await next_event(stream)
        assert loop.time() - began < 0.4
        event = json.loads(line.data or "")
        assert (line.id, line.event) == (event["cursor"], event["type"])
        page = (await client.get("/partner/v1/events", headers=reader.headers)).json()
        assert page["items"] == [event]


async def test_a_reader_that_comes_back_goes_on_after_its_last_event(
    runtime: SellingRuntime,
) -> None:
    reader = await seat(runtime, name="Reseller A")
    for _ in range(3):
        await happen(runtime, reader)
    async with serving(make_app(runtime)) as (client, _):
        async with following(client, reader) as stream:
            first = await next_event(stream)
        async with following(client, reader, **{"Last-Event-ID": first.id or ""}) as stream:
            numbers = [json.loads((await next_event(stream)).data or "")["number"] for _ in "12"]
            assert numbers == [2, 3]
        query = {"after": first.id or ""}
        async with client.stream("GET", STREAM, params=query, headers=reader.headers) as response:
            line = await next_event(lines(response))
            assert json.loads(line.data or "")["number"] == 2


async def test_a_lost_cursor_is_told_before_the_stream_begins(runtime: SellingRuntime) -> None:
    reader = await seat(runtime, name="Reseller A")
    async with serving(make_app(runtime)) as (client, _):
        lost = reader.headers | {"Last-Event-ID": "7-000000000000"}
        answer = await client.get(STREAM, headers=lost)
        assert (answer.status_code, answer.json()["code"]) == (410, "cursor_lost")


async def test_a_comment_shows_that_the_stream_lives(
    runtime: SellingRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert feed.BEAT_SECONDS == 5
    monkeypatch.setattr(feed, "BEAT_SECONDS", 0.2)
    reader = await seat(runtime, name="Reseller A")
    async with serving(make_app(runtime)) as (client, _), following(client, reader) as stream:
        async with asyncio.timeout(5):
            comments = [(await anext(stream)).comment for _ in range(3)]
    assert comments == ["the feed begins", "still here", "still here"]


async def test_the_stream_ends_when_its_key_is_revoked(
    runtime: SellingRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "RECHECK_SECONDS", 0.2)
    reader = await seat(runtime, name="Reseller A")
    async with serving(make_app(runtime)) as (client, _), following(client, reader) as stream:
        await happen(runtime, reader)
        await next_event(stream)
        async with runtime.staff.write() as session:
            await session.execute(
                text("UPDATE partner_keys SET revoked_at = :at WHERE id = :id"),
                {"at": START, "id": reader.key_id},
            )
        assert await asyncio.wait_for(drained(stream), timeout=5) == 0
        again = await client.get(STREAM, headers=reader.headers)
        assert again.status_code == 401


async def test_what_happens_after_a_key_was_revoked_is_told_to_nobody_with_it(
    runtime: SellingRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It isn't the look every few seconds that keeps it back.
    monkeypatch.setattr(reader_module, "RECHECK_SECONDS", 60.0)
    reader = await seat(runtime, name="Reseller A")
    async with serving(make_app(runtime)) as (client, _), following(client, reader) as stream:
        await anext(stream)
        long_poll = client.get(FEED, params={"wait": 20}, headers=reader.headers, timeout=20)
        waiting = asyncio.create_task(long_poll)
        await eventually(lambda: readers(runtime, 2))
        async with runtime.staff.write() as session:
            await session.execute(
                text("UPDATE partner_keys SET revoked_at = :at WHERE id = :id"),
                {"at": START, "id": reader.key_id},
            )
        await happen(runtime, reader)
        assert await asyncio.wait_for(drained(stream), timeout=5) == 0
        assert (await waiting).json()["items"] == []


async def test_the_stream_of_a_blocked_partner_goes_on(
    runtime: SellingRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocked partners read: they must see what becomes of what they have."""
    monkeypatch.setattr(reader_module, "RECHECK_SECONDS", 0.0)
    reader = await seat(runtime, name="Reseller A")
    async with serving(make_app(runtime)) as (client, _), following(client, reader) as stream:
        async with runtime.staff.write() as session:
            await session.execute(text("UPDATE partners SET state = 'blocked'"))
        await happen(runtime, reader)
        assert (await next_event(stream)).id is not None


async def test_the_stream_ends_when_its_key_is_over(
    runtime: SellingRuntime, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setattr(reader_module, "RECHECK_SECONDS", 0.2)
    reader = await seat(runtime, name="Reseller A", expires_in=timedelta(hours=1))
    async with serving(make_app(runtime)) as (client, _), following(client, reader) as stream:
        clock.advance(timedelta(hours=2))
        assert await asyncio.wait_for(drained(stream), timeout=5) == 0


async def test_a_key_may_have_so_many_streams_and_no_more(
    selling_database_url: str, clock: ManualClock
) -> None:
    async with open_runtime(selling_database_url, clock=clock, open_streams=2) as runtime:
        reader = await seat(runtime, name="Reseller A")
        other = await seat(runtime, name="Reseller B")
        async with serving(make_app(runtime)) as (client, _), following(client, reader) as one:
            await anext(one)
            async with following(client, reader) as two:
                await anext(two)
                third = await client.get(STREAM, headers=reader.headers)
                assert (third.status_code, third.json()["code"]) == (429, "too_many_streams")
                assert third.headers["retry-after"] == "5"
                async with following(client, other) as theirs:
                    await anext(theirs)

            async def let_in() -> bool:
                async with client.stream("GET", STREAM, headers=reader.headers) as response:
                    return response.status_code == 200

            await eventually(let_in)


async def test_open_streams_hold_no_database_connection(runtime: SellingRuntime) -> None:
    reader = await seat(runtime, name="Reseller A")
    async with serving(make_app(runtime)) as (client, _):
        streams = [following(client, reader) for _ in range(8)]
        opened = [await stream.__aenter__() for stream in streams]
        for one in opened:
            await anext(one)
        # More streams than connections are readable at once; between reads none is held.
        pool = runtime.app.engine.pool
        assert isinstance(pool, QueuePool)

        async def none_held() -> bool:
            return pool.checkedout() == 0

        await eventually(none_held)
        await happen(runtime, reader)
        for one in opened:
            assert (await next_event(one)).event == "operation.accepted"
        for stream in streams:
            await stream.__aexit__(None, None, None)


async def test_the_server_stops_in_order_while_a_stream_is_open(runtime: SellingRuntime) -> None:
    reader = await seat(runtime, name="Reseller A")
    async with serving(make_app(runtime)) as (client, server), following(client, reader) as stream:
        await happen(runtime, reader)
        await next_event(stream)
        server.should_exit = True
        # Ends with its last chunk: a connection that was cut would raise here.
        assert await asyncio.wait_for(drained(stream), timeout=3) == 0
