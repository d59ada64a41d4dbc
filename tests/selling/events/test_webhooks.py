"""Hints go out signed, one at a time, for as long as it takes; their receivers rule over them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from selling_service.database import SellingRuntime
from selling_service.events.actions import emit
from selling_service.events.rules import MOST_ATTEMPTS
from selling_service.events.tasks import tasks
from selling_service.events.webhooks import open_sender
from shared.contract.basics import BASE_PATH
from shared.contract.events import EventType
from shared.kit.jobs import Worker
from shared.kit.telemetry import in_trace
from tests.kit.spans import recording
from tests.kit.stage import ManualClock, eventually
from tests.selling.events.receiver import Receiver, receiving
from tests.selling.events.stage import Seat, happen, make_app, open_runtime, operation, seat

HOOKS = f"{BASE_PATH}/webhook-endpoints"


@pytest.fixture
async def runtime(selling_database_url: str, clock: ManualClock) -> AsyncIterator[SellingRuntime]:
    async with open_runtime(
        selling_database_url, clock=clock, webhook_private_addresses=True
    ) as running:
        yield running


@pytest.fixture
async def partner(runtime: SellingRuntime) -> Seat:
    return await seat(runtime, name="Reseller A")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@asynccontextmanager
async def asking(runtime: SellingRuntime, who: Seat) -> AsyncIterator[httpx.AsyncClient]:
    app = make_app(runtime)
    app.state.runtime = runtime
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://seller.test", headers=who.headers
    ) as http:
        yield http


@asynccontextmanager
async def working(runtime: SellingRuntime) -> AsyncIterator[None]:
    async with open_sender(runtime):
        worker = Worker(runtime.app, tasks=tasks(runtime))
        running = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await running


async def endpoint(runtime: SellingRuntime, who: Seat, url: str) -> dict[str, Any]:
    async with asking(runtime, who) as http:
        answer = await http.post(HOOKS, json={"url": url})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def deliveries(runtime: SellingRuntime, who: Seat, endpoint_id: str) -> list[dict[str, Any]]:
    async with asking(runtime, who) as http:
        answer = await http.get(f"{HOOKS}/{endpoint_id}/deliveries")
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def settled(runtime: SellingRuntime, who: Seat, endpoint_id: str, *states: str) -> None:
    async def there() -> bool:
        found = await deliveries(runtime, who, endpoint_id)
        return [each["state"] for each in found] == list(states)

    await eventually(there, what=f"deliveries {states}")


async def test_hint_is_signed_and_tells_no_more_than_that_there_is_news(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    made = await endpoint(runtime, partner, receiver.url)
    await happen(runtime, partner)
    async with working(runtime):
        (came,) = await receiver.got(1)
        await settled(runtime, partner, made["id"], "delivered")
    body = Webhook(made["secret"]).verify(came.body, came.headers)
    assert body.keys() == {"type", "timestamp", "data"}
    assert (body["type"], body["data"]["head"]) == ("feed.advanced", 1)
    assert body["data"]["installation_id"] == str(partner.installation_id)
    assert made["secret"] not in str(came)


async def test_nothing_goes_out_for_what_was_rolled_back_or_is_anothers(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    await endpoint(runtime, partner, receiver.url)
    other = await seat(runtime, name="Reseller B")
    await happen(runtime, other)
    async with runtime.staff.read() as session:
        assert (await session.scalar(text("SELECT count(*) FROM jobs"))) == 0
    assert receiver.came == []


async def test_only_ones_own_endpoints_are_hinted_without_policies_too(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    """Asked as staff's login, which no policy binds."""
    await endpoint(runtime, partner, f"{receiver.url}/a")
    other = await seat(runtime, name="Reseller B")
    mine = await endpoint(runtime, other, f"{receiver.url}/b")
    async with runtime.staff.write() as session:
        await emit(
            session,
            other.partner_id,
            type=EventType.ACCEPTED,
            installation_id=other.installation_id,
            service=None,
            operation=operation(),
        )
        found = await session.scalars(text("SELECT payload ->> 'endpoint_id' FROM jobs"))
        assert list(found) == [mine["id"]]


async def test_many_events_make_one_hint_and_one_more_where_it_was_under_way(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    made = await endpoint(runtime, partner, receiver.url)
    for _ in range(5):
        await happen(runtime, partner)
    async with working(runtime):
        await receiver.got(1)
        await settled(runtime, partner, made["id"], "delivered")
        await happen(runtime, partner)
        await settled(runtime, partner, made["id"], "delivered", "delivered")
    heads = [each["head"] for each in await deliveries(runtime, partner, made["id"])]
    assert heads == [6, 5]


async def test_hint_goes_again_under_its_id_until_it_is_taken(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers.extend([(500, {}), (302, {"location": receiver.url}), (503, {})])
    made = await endpoint(runtime, partner, receiver.url)
    await happen(runtime, partner)
    async with working(runtime):
        for count in range(1, 4):
            await receiver.got(count)
            await settled(runtime, partner, made["id"], "pending")
            await happen(runtime, partner)
            assert len(receiver.came) == count, "a redirect or an event sent it early"
            clock.advance(timedelta(hours=3))
        await receiver.got(4)
        await settled(runtime, partner, made["id"], "delivered")
    assert len({came.headers["webhook-id"] for came in receiver.came}) == 1
    assert len({came.body for came in receiver.came}) == 1


async def test_retry_after_is_honoured(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers.append((429, {"retry-after": "7200"}))
    made = await endpoint(runtime, partner, receiver.url)
    await happen(runtime, partner)
    async with working(runtime):
        await receiver.got(1)
        await settled(runtime, partner, made["id"], "pending")
    (found,) = await deliveries(runtime, partner, made["id"])
    assert found["status"] == 429
    waits = clock.now() + timedelta(seconds=7199)
    assert found["next_attempt_at"] > waits.isoformat().replace("+00:00", "Z")


async def test_gone_disables_the_endpoint_until_it_is_enabled(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    receiver.answers.append((410, {}))
    made = await endpoint(runtime, partner, receiver.url)
    await happen(runtime, partner)
    async with working(runtime):
        await settled(runtime, partner, made["id"], "failed")
        await happen(runtime, partner)
    async with asking(runtime, partner) as http:
        (shown,) = (await http.get(HOOKS)).json()["items"]
        assert (shown["state"], "410" in shown["problem"]) == ("disabled", True)
        assert len(receiver.came) == 1
        await http.post(f"{HOOKS}/{made['id']}/enable")
    async with working(runtime):
        await happen(runtime, partner)
        await receiver.got(2)


async def test_after_its_last_attempt_it_fails_and_the_next_event_begins_anew(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.always = (500, {})
    made = await endpoint(runtime, partner, receiver.url)
    await happen(runtime, partner)
    async with working(runtime):
        for count in range(1, MOST_ATTEMPTS + 1):
            await receiver.got(count)
            await settled(
                runtime,
                partner,
                made["id"],
                "failed" if count == MOST_ATTEMPTS else "pending",
            )
            clock.advance(timedelta(hours=30))
        assert len(receiver.came) == MOST_ATTEMPTS
        receiver.always = (200, {})
        await happen(runtime, partner)
        await settled(runtime, partner, made["id"], "delivered", "failed")


async def test_failed_hint_is_sent_again_on_request(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    made = await endpoint(runtime, partner, receiver.url)
    await happen(runtime, partner)
    async with working(runtime):
        await settled(runtime, partner, made["id"], "delivered")
        (found,) = await deliveries(runtime, partner, made["id"])
        async with asking(runtime, partner) as http:
            path = f"{HOOKS}/{made['id']}/deliveries/{found['id']}/redeliver"
            assert (await http.post(path)).status_code == 202
        await receiver.got(2)
        await settled(runtime, partner, made["id"], "delivered")
    assert len({came.headers["webhook-id"] for came in receiver.came}) == 1


async def test_each_attempt_is_a_step_of_the_events_trace_and_tells_the_host_alone(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver, clock: ManualClock
) -> None:
    receiver.answers.append((503, {}))
    made = await endpoint(runtime, partner, f"{receiver.url}/hidden?token=hidden")

    async def failed_once() -> bool:
        return [each["status"] for each in await deliveries(runtime, partner, made["id"])] == [503]

    with recording() as spans:
        with in_trace(None, name="click") as click:
            trace = click.trace
            await happen(runtime, partner)
        async with working(runtime):
            await eventually(failed_once, what="a failed attempt")
            clock.advance(timedelta(hours=1))
            await settled(runtime, partner, made["id"], "delivered")
    ours = {span.name: span for span in spans.seen() if span.trace.trace_id == trace.trace_id}
    assert ours["job webhook"].parent_id == ours["event operation.accepted"].trace.span_id
    sent = spans.seen("POST webhook")
    assert {span.trace.trace_id for span in sent} == {trace.trace_id}
    assert [span.attributes for span in sent] == [
        {
            "http.request.method": "POST",
            "server.address": "127.0.0.1",
            "tandem.webhook.attempt": number,
            "http.response.status_code": status,
        }
        for number, status in ((1, 503), (2, 204))
    ]
    whole = "".join(span.whole for span in spans.seen())
    assert not [word for word in ("hidden", "whsec_", made["secret"][6:]) if word in whole]


async def test_rotated_secret_signs_beside_the_old_one_for_a_day(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver, clock: ManualClock
) -> None:
    made = await endpoint(runtime, partner, receiver.url)
    async with asking(runtime, partner) as http:
        rotated = (await http.post(f"{HOOKS}/{made['id']}/rotate-secret")).json()
    assert rotated["secret"] != made["secret"]
    async with working(runtime):
        await happen(runtime, partner)
        (came,) = await receiver.got(1)
        await settled(runtime, partner, made["id"], "delivered")
        for secret in (made["secret"], rotated["secret"]):
            Webhook(secret).verify(came.body, came.headers)
        clock.advance(timedelta(hours=25))
        await happen(runtime, partner)
        later = (await receiver.got(2))[1]
    assert came.headers["webhook-signature"].count("v1,") == 2
    assert later.headers["webhook-signature"].count("v1,") == 1


async def test_secrets_lie_encrypted_and_are_shown_once(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    made = await endpoint(runtime, partner, receiver.url)
    async with runtime.staff.read() as session:
        row = await session.scalar(text("SELECT e::text FROM webhook_endpoints e"))
    assert made["secret"].removeprefix("whsec_") not in str(row)
    async with asking(runtime, partner) as http:
        assert "secret" not in (await http.get(HOOKS)).json()["items"][0]


async def test_another_partner_and_another_installation_find_nothing(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    made = await endpoint(runtime, partner, receiver.url)
    other = await seat(runtime, name="Reseller B")
    async with asking(runtime, other) as http:
        assert (await http.get(HOOKS)).json() == {"items": [], "next": None}
        answers = [
            await http.delete(f"{HOOKS}/{made['id']}"),
            await http.post(f"{HOOKS}/{made['id']}/rotate-secret"),
            await http.post(f"{HOOKS}/{made['id']}/enable"),
            await http.post(f"{HOOKS}/{made['id']}/deliveries/{uuid4()}/redeliver"),
            await http.get(f"{HOOKS}/{made['id']}/deliveries"),
        ]
    assert {answer.status_code for answer in answers} == {404}


async def test_removed_endpoint_gets_nothing_more(
    runtime: SellingRuntime, partner: Seat, receiver: Receiver
) -> None:
    made = await endpoint(runtime, partner, receiver.url)
    await happen(runtime, partner)
    async with asking(runtime, partner) as http:
        assert (await http.delete(f"{HOOKS}/{made['id']}")).status_code == 204
        twice = await http.post(HOOKS, json={"url": receiver.url})
        assert twice.status_code == 201
        again = await http.post(HOOKS, json={"url": receiver.url})
        assert (again.status_code, again.json()["code"]) == (409, "webhook_exists")
    async with runtime.staff.read() as session:
        assert (await session.scalar(text("SELECT count(*) FROM jobs"))) == 0
    assert receiver.came == []
