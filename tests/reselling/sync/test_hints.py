"""Hints of a seller wake its reader, are believed only when signed, and are never read."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook

from reselling_service.sync.actions import HINT_CHANNEL, Reader
from shared.kit.clock import SystemClock
from shared.kit.ids import new_id
from shared.kit.people import Role
from tests.reselling.house import House, code_of
from tests.reselling.house_fixtures import house
from tests.reselling.sellers.fake import FakeSeller, Fault, problem, serve
from tests.reselling.sellers.rig import Rig, until
from tests.reselling.sync.services import create_service, emit, find_feed, heard

__all__ = ["house"]

SELLERS = "/staff/v1/sellers"


@pytest.fixture
async def fake() -> AsyncIterator[FakeSeller]:
    async with serve(FakeSeller()) as seller:
        yield seller


async def connect(house: House, fake: FakeSeller) -> str:
    body = {"name": "Hosting A", "url": fake.url, "key": fake.key}
    found: str = (await house.owner.post(SELLERS, body))["id"]
    return found


async def hinted(house: House, fake: FakeSeller) -> str:
    """The id of a connected seller that sends hints."""
    seller_id = await connect(house, fake)
    answer = await house.owner.ask("PUT", f"{SELLERS}/{seller_id}/webhook")
    assert (answer.status_code, answer.json()["hints"]) == (200, True)
    return seller_id


def signed(secret: str, body: str, *, age: timedelta = timedelta(0)) -> dict[str, str]:
    at = SystemClock().now() - age
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(msg_id="msg_1", timestamp=at, data=body),
    }


async def hint(house: House, seller_id: object, headers: dict[str, str], body: str) -> int:
    answer = await house.http.post(f"/hooks/{seller_id}", content=body, headers=headers)
    if answer.status_code != 204:
        assert code_of(answer) == (401, "unauthorized")
    return answer.status_code


async def test_signed_hint_is_taken_whatever_it_says(house: House, fake: FakeSeller) -> None:
    seller_id = await hinted(house, fake)
    lie = json.dumps({"type": "service.deleted", "data": {"service_ref": str(new_id())}})
    async with house.runtime.hints.subscribe(HINT_CHANNEL, seller_id) as woken:
        assert await hint(house, seller_id, signed(fake.hook_secret, lie), lie) == 204
        await asyncio.wait_for(woken.wait(), 5)


async def test_nothing_else_is_taken_and_all_is_refused_alike(
    house: House, fake: FakeSeller
) -> None:
    seller_id, body = await hinted(house, fake), "{}"
    good = signed(fake.hook_secret, body)
    other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    attempts = [
        (seller_id, signed(other, body), body),
        (seller_id, good, "{ }"),
        (seller_id, good | {"webhook-id": "msg_2"}, body),
        (seller_id, signed(fake.hook_secret, body, age=timedelta(minutes=6)), body),
        (seller_id, signed(fake.hook_secret, body, age=-timedelta(minutes=6)), body),
        (seller_id, good | {"webhook-timestamp": "inf"}, body),
        (seller_id, good | {"webhook-signature": "v1"}, body),
        (seller_id, good | {"webhook-signature": "v1,not base64 \x7f"}, body),
        (seller_id, good | {"webhook-signature": ""}, body),
        (seller_id, {}, body),
        (new_id(), good, body),
    ]
    async with house.runtime.hints.subscribe(HINT_CHANNEL, seller_id) as woken:
        for attempt in attempts:
            assert await hint(house, *attempt) == 401, attempt
        answer = await house.http.post(
            f"/hooks/{seller_id}", content=b"\xff\xfe", headers=signed(fake.hook_secret, "x")
        )
        assert answer.status_code == 401
        assert not woken.is_set()


async def test_disabled_seller_and_removed_endpoint_are_not_listened_to(
    house: House, fake: FakeSeller
) -> None:
    seller_id, body = await hinted(house, fake), "{}"
    await house.owner.post(f"{SELLERS}/{seller_id}/disable")
    assert await hint(house, seller_id, signed(fake.hook_secret, body), body) == 401
    await house.owner.post(f"{SELLERS}/{seller_id}/enable")
    assert await hint(house, seller_id, signed(fake.hook_secret, body), body) == 204
    removed = await house.owner.ask("DELETE", f"{SELLERS}/{seller_id}/webhook")
    assert (removed.status_code, removed.json()["hints"], fake.hooks) == (200, False, {})
    assert await hint(house, seller_id, signed(fake.hook_secret, body), body) == 401


async def test_endpoint_whose_answer_was_lost_is_taken_over_with_a_new_secret(
    house: House, fake: FakeSeller
) -> None:
    seller_id = await connect(house, fake)
    fake.faults.append(Fault("drop", acts=True))
    lost = await house.owner.ask("PUT", f"{SELLERS}/{seller_id}/webhook")
    assert code_of(lost) == (424, "seller_unreachable")
    again = await house.owner.ask("PUT", f"{SELLERS}/{seller_id}/webhook")
    assert (again.status_code, len(fake.hooks)) == (200, 1)
    assert await hint(house, seller_id, signed(fake.hook_secret, "{}"), "{}") == 204


async def test_secret_lies_encrypted_and_operators_only_ask_for_hints(
    house: House, fake: FakeSeller
) -> None:
    seller_id = await hinted(house, fake)
    (hook,) = fake.hooks.values()
    assert hook["url"].endswith(f"/hooks/{seller_id}")
    async with house.runtime.staff.read() as session:
        row = (await session.execute(text("SELECT s::text FROM sellers s"))).scalar_one()
        audit = await session.execute(text("SELECT string_agg(a::text, '') FROM audit_entries a"))
    secret = fake.hook_secret.removeprefix("whsec_")
    assert secret not in row
    assert secret not in str(audit.scalar_one())
    reader = await house.staff(Role.READ_ONLY)
    assert (await reader.ask("PUT", f"{SELLERS}/{seller_id}/webhook")).status_code == 403


async def test_reader_that_rests_is_woken(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = await create_service(rig)
    away = Fault("refuse", problem("unavailable"))
    rig.fake.read_faults.extend([away] * 4)
    reader = Reader(rig.runtime, UUID(str(rig.seller_id)))
    # As after many failures: each rest would take more than a minute.
    monkeypatch.setattr("reselling_service.sync.actions.reading.LONGEST_PAUSE", 1000.0)
    reader._failures = 20
    running = asyncio.create_task(reader.run())

    async def resting() -> bool:
        rig.runtime.hints.send(HINT_CHANNEL, str(rig.seller_id))
        return (await find_feed(rig)).mode in {"stream", "poll"}

    emit(rig, ref, 1)
    await until(resting)
    emit(rig, ref, 2)
    await heard(rig, ref, 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
