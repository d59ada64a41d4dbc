"""One command, one answer: twins, refusals, crashes, burned ids and answers no longer kept."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import select

from shared.contract.operations import CommandState
from shared.contract.problems import NO_CAPACITY, PARTNER_BLOCKED
from shared.kit.idempotency import (
    forget_answers,
)
from shared.kit.problems import ProblemError
from tests.kit.idempotent_shop import (
    PARTNER,
    Order,
    Received,
    Shop,
    client,
    clock,
    replayed,
    send,
    shop,
)
from tests.kit.stage import Diary, ManualClock, count

__all__ = ["client", "clock", "shop"]


async def test_the_same_key_is_carried_out_once_and_answered_the_same(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    first, second = await send(client, key), await send(client, key)
    assert first.status_code == 202
    assert replayed(first, second)
    assert await count(shop.database, "diary") == 1
    assert (await send(client, uuid4())).json() != first.json()
    assert await count(shop.database, "diary") == 2


async def test_a_twin_that_comes_meanwhile_is_told_to_wait(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    shop.go_on.clear()
    first = asyncio.create_task(send(client, key))
    await asyncio.wait_for(shop.began.wait(), timeout=5)
    twin = await send(client, key)
    assert (twin.status_code, twin.json()["code"]) == (409, "in_progress")
    assert twin.json()["outcome"] is None
    assert twin.headers["retry-after"] == "1"
    shop.go_on.set()
    assert replayed(await first, await send(client, key))
    assert await count(shop.database, "diary") == 1


async def test_twenty_twins_at_once_make_one(client: httpx.AsyncClient, shop: Shop) -> None:
    key = uuid4()
    answers = await asyncio.gather(*(send(client, key) for _ in range(20)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.content for answer in answers if answer.status_code == 202}) == 1
    assert await count(shop.database, "diary") == 1


async def test_a_refusal_undoes_the_action_and_is_repeated_word_for_word(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    shop.problem = ProblemError(NO_CAPACITY, "There is no room.")
    key = uuid4()
    first = await send(client, key)
    assert (first.status_code, first.json()["outcome"]) == (409, "refused")
    assert await count(shop.database, "diary") == 0
    shop.problem = None
    second = await send(client, key)
    assert replayed(first, second)
    assert second.headers["content-type"] == "application/problem+json"
    assert await count(shop.database, "diary") == 0


async def test_a_problem_that_is_not_final_leaves_no_trace(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    shop.problem = ProblemError(PARTNER_BLOCKED, "Ask the provider.")
    key = uuid4()
    assert (await send(client, key)).status_code == 403
    assert await count(shop.database, "received") == 0
    shop.problem = None
    assert (await send(client, key)).status_code == 202


async def test_the_same_key_with_another_body_is_refused_to_be_mixed_up(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    first = await send(client, key, number=1)
    other = await send(client, key, number=2)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["outcome"] is None
    assert replayed(first, await send(client, key, number=1))
    async with shop.database.read() as session:
        assert (await session.scalars(select(Diary.number))).all() == [1]


async def test_what_was_accepted_is_not_refused_by_a_stricter_release(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = uuid4()
    first = await send(client, key, number=7)
    monkeypatch.setattr(Order, "most", 5)
    assert replayed(first, await send(client, key, number=7))
    other = await send(client, key, number=8)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert other.json()["outcome"] is None
    assert await count(shop.database, "diary") == await count(shop.database, "received") == 1


async def test_what_is_not_valid_is_refused_once_and_stays_so(
    client: httpx.AsyncClient, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = uuid4()
    first = await send(client, key, number=101)
    assert (first.status_code, first.json()["code"]) == (422, "invalid_request")
    assert first.json()["outcome"] == "refused"
    monkeypatch.setattr(Order, "most", 200)
    assert replayed(first, await send(client, key, number=101))
    async with shop.database.read() as session:
        assert (await session.scalars(select(Received.state))).all() == [CommandState.REFUSED]
    assert await count(shop.database, "diary") == 0


async def test_what_the_database_cannot_take_is_refused_under_its_key(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    shop.unstorable = True
    first = await send(client, key)
    assert (first.status_code, first.json()["code"]) == (422, "invalid_request")
    assert first.json()["outcome"] == "refused"
    shop.unstorable = False
    assert replayed(first, await send(client, key))
    assert await count(shop.database, "diary") == 0


async def test_nothing_is_said_of_a_command_that_was_not_looked_up(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    headers = {"Idempotency-Key": str(uuid4())}
    shop.unstorable = True
    for number in (1, 101):
        answer = await client.post("/unkept", json={"number": number}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["outcome"] is None
    assert await count(shop.database, "diary") == await count(shop.database, "received") == 0


async def test_of_many_mistakes_a_hundred_are_told(client: httpx.AsyncClient) -> None:
    body = {"number": 1, "gifts": ["x"] * 150}
    answer = await client.post("/orders", json=body, headers={"Idempotency-Key": str(uuid4())})
    assert (answer.json()["outcome"], len(answer.json()["errors"])) == ("refused", 100)


@pytest.mark.parametrize("key", [None, b"", b"not-a-uuid", b"\xe9" * 36, b"1" * 500])
async def test_a_missing_or_strange_key_is_refused_before_anything(
    client: httpx.AsyncClient, shop: Shop, key: bytes | None
) -> None:
    headers = [] if key is None else [(b"Idempotency-Key", key)]
    answer = await client.post("/orders", json={"number": 1}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")
    assert await count(shop.database, "diary") == 0


async def test_a_crash_in_the_middle_leaves_nothing_and_blocks_nobody(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    key = uuid4()
    shop.crash = True
    answer = await send(client, key)
    assert answer.status_code in {500, 503}
    assert answer.json()["outcome"] is None
    assert await count(shop.database, "received") == 0
    assert await count(shop.database, "diary") == 0
    shop.crash = False
    assert (await send(client, key)).status_code == 202
    assert await count(shop.database, "diary") == 1


async def test_an_id_that_was_cancelled_before_it_arrived_is_burned(
    client: httpx.AsyncClient, shop: Shop, clock: ManualClock
) -> None:
    key = uuid4()
    async with shop.database.write() as session:
        session.add(
            Received(
                tenant_id=PARTNER,
                command_id=key,
                state=CommandState.CANCELLED,
                received_at=clock.now(),
            )
        )
    answer = await send(client, key)
    assert (answer.status_code, answer.json()["code"]) == (409, "command_cancelled")
    assert answer.json()["outcome"] == "refused"
    assert await count(shop.database, "diary") == 0


async def test_after_seven_days_the_remembered_operation_answers(
    client: httpx.AsyncClient, shop: Shop, clock: ManualClock
) -> None:
    accepted, refused = uuid4(), uuid4()
    first = await send(client, accepted)
    shop.problem = ProblemError(NO_CAPACITY, "There is no room.")
    no = await send(client, refused)
    shop.problem = None
    for days, forgotten in ((6.9, 0), (0.2, 2), (1, 0)):
        clock.advance(timedelta(days=days))
        async with shop.database.write() as session:
            assert await forget_answers(session, Received) == forgotten
    again = await send(client, accepted)
    operation = first.json()["operation"]
    assert (again.status_code, again.json()) == (202, {"operation": operation, "from": "memory"})
    assert again.headers["idempotency-replayed"] == "true"
    assert replayed(no, await send(client, refused))
    assert (await send(client, accepted, number=2)).status_code == 422
    assert await count(shop.database, "diary") == 1
