"""Commands are remembered for ever, and can be cancelled before they arrive or while queued."""

from datetime import timedelta
from uuid import uuid4

from sqlalchemy import text

from tests.selling.services.house import Caller, House


async def test_cancelled_before_it_arrived_is_burned(house: House, partner: Caller) -> None:
    body, key = house.order(), uuid4()
    assert (await partner.http.get(f"/commands/{key}")).status_code == 404
    assert (await partner.http.post(f"/commands/{key}/cancel")).status_code == 200
    late = await partner.send("/services", body, key=key)
    assert (late.status_code, late.json()["code"]) == (409, "command_cancelled")
    assert late.json()["outcome"] == "refused"
    assert (await partner.http.get(f"/commands/{key}")).json()["state"] == "cancelled"
    assert await house.count("services") == await house.count("holds") == 0
    assert (await partner.send("/services", body)).status_code == 202


async def test_cancelled_while_queued_gives_the_money_back(house: House, partner: Caller) -> None:
    body, key = house.order(), uuid4()
    answer = await partner.send("/services", body, key=key)
    for _ in range(2):
        assert (await partner.http.post(f"/commands/{key}/cancel")).status_code == 200
    assert (await partner.operation(answer))["state"] == "cancelled"
    assert (await house.balance(partner.id)).held == 0
    await house.settle(partner.id)
    assert await house.count("simulated_vms", "NOT deleted") == 0
    assert (await partner.service(body["service_ref"]))["state"] == "failed"
    assert (await house.events(partner.id))[-1][1] == "operation.cancelled"


async def test_done_command_cannot_be_cancelled(house: House, partner: Caller) -> None:
    body, key = house.order(), uuid4()
    await partner.send("/services", body, key=key)
    await house.settle(partner.id)
    answer = await partner.http.post(f"/commands/{key}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "command_not_cancellable")
    assert answer.json()["outcome"] is None
    assert answer.json()["blockers"][0]["state"] == "succeeded"


async def test_suspend_took_effect_at_once_and_cannot_be_cancelled(
    house: House, partner: Caller
) -> None:
    body, key = house.order(), uuid4()
    await partner.send("/services", body)
    await partner.send(f"/services/{body['service_ref']}/suspend", {}, key=key)
    answer = await partner.http.post(f"/commands/{key}/cancel")
    assert answer.json()["code"] == "command_not_cancellable"


async def test_refusal_is_remembered(house: House, partner: Caller) -> None:
    key = uuid4()
    refused = await partner.send("/services", house.order(period="day"), key=key)
    record = (await partner.http.get(f"/commands/{key}")).json()
    assert (record["state"], record["operation"]) == ("refused", None)
    assert record["problem"]["code"] == refused.json()["code"] == "period_not_offered"


async def test_command_outlives_its_first_answer(house: House, partner: Caller) -> None:
    body, key = house.order(), uuid4()
    await partner.send("/services", body, key=key)
    await house.settle(partner.id)
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE received_commands SET answer = NULL"))
    again = await partner.send("/services", body, key=key)
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (202, "true")
    assert again.json()["state"] == "succeeded"
    other = await partner.send("/services", house.order(), key=key)
    assert other.json()["code"] == "idempotency_key_reused"
    record = (await partner.http.get(f"/commands/{key}")).json()
    assert record["operation"]["state"] == "succeeded"


async def test_answers_are_dropped_after_seven_days_and_commands_are_not(
    house: House, partner: Caller
) -> None:
    body, key = house.order(), uuid4()
    await partner.send("/services", body, key=key)
    from shared.kit.jobs import enqueue  # noqa: PLC0415

    house.clock.time += timedelta(days=8)
    async with house.runtime.staff.write() as session:
        await enqueue(session, "forget_answers", payload={}, dedupe_key="forget_answers")
    await house.settle(partner.id)
    assert await house.count("received_commands", "answer IS NULL") == 1
    assert (await partner.http.get(f"/commands/{key}")).status_code == 200
