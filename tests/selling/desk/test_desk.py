"""What the provider's staff find on their desk, and what they do about it."""

from typing import Any
from uuid import UUID, uuid4

import httpx
from sqlalchemy import text

from selling_service.provisioning.drivers.simulated import FaultKind
from selling_service.reconciliation.rules import MEANINGS, Kind
from shared.kit.people import Role
from tests.selling.services.faults import (
    break_calls,
    finish,
    give_up,
    mend,
    work_until_state,
)
from tests.selling.services.house import Caller, House

REASON = {"reason": "The node burnt down."}


async def on_desk(desk: httpx.AsyncClient, **wanted: Any) -> list[dict[str, Any]]:
    answer = await desk.get("/desk", params=wanted)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def get_stuck(house: House, partner: Caller, call: str = "create_vm") -> httpx.Response:
    """An order that waits for its platform."""
    await break_calls(house, call, FaultKind.UNAVAILABLE)
    answer = await partner.send("/services", house.order())
    await work_until_state(house, partner, answer, "waiting")
    return answer


def path_of(item: dict[str, Any], action: str) -> str:
    return f"/desk/{item['kind']}/{item['id']}/{action}"


async def test_waiting_order_says_why_what_to_do_and_when_it_is_tried_next(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    answer = await get_stuck(house, partner)
    (item,) = await on_desk(desk)
    assert (item["kind"], item["id"]) == ("operation", answer.json()["id"])
    assert (item["state"], item["what"], item["code"]) == ("waiting", "order", "unavailable")
    assert "platform is away" in item["why"]
    assert "retry" in item["to_do"]
    assert item["attempts"] >= 1
    assert item["next_attempt_at"] is not None
    assert item["money"]["state"] == "open"
    assert item["money"]["amount"]["amount"] > 0
    assert item["partner_id"] == str(partner.id)
    assert item["trace_id"] == answer.headers["X-Trace-Id"]
    assert item["actions"] == ["give-up", "hand-over", "retry"]
    assert (await desk.get(f"/desk/operation/{item['id']}")).json() == item


async def test_retry_brings_a_stopped_order_to_its_end(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    answer = await get_stuck(house, partner)
    await give_up(house)
    await mend(house)
    (item,) = await on_desk(desk, state="stopped")
    assert "Nothing happens until somebody decides." in item["why"]
    assert item["next_attempt_at"] is None
    assert (await desk.post(path_of(item, "retry"), json=REASON)).status_code == 204
    await finish(house)
    assert (await partner.operation(answer))["state"] == "succeeded"
    assert await on_desk(desk) == []


async def test_given_up_order_gives_the_money_back_and_tells_the_partner(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    before = (await house.balance(partner.id)).available
    answer = await get_stuck(house, partner)
    (item,) = await on_desk(desk)
    assert (await desk.post(path_of(item, "give-up"), json=REASON)).status_code == 204
    operation = await partner.operation(answer)
    assert (operation["state"], operation["problem"]["code"]) == ("failed", "given_up")
    balance = await house.balance(partner.id)
    assert (balance.available, balance.held) == (before, 0)
    assert (await house.events(partner.id))[-1][1] == "operation.failed"
    (item,) = await on_desk(desk, state="failed")
    assert item["money"]["state"] == "released"
    async with house.runtime.staff.read() as session:
        statement = "SELECT after ->> 'reason' FROM audit_entries WHERE action = :action"
        found = await session.scalar(text(statement), {"action": "operation.give_up"})
    assert found == REASON["reason"]
    # What an attempt may have built is deleted, once the platform is back.
    await mend(house)
    await finish(house)
    assert await house.count("services", "holds_room") == 0


async def test_suspensions_and_ends_are_never_given_up(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    await break_calls(house, "lock_vm", FaultKind.UNAVAILABLE)
    for verb in ("suspend", "terminate"):
        answer = await partner.send(f"/services/{ref}/{verb}", {})
        await work_until_state(house, partner, answer, "waiting", "queued")
        operation_id = answer.json()["id"]
        async with house.runtime.staff.write() as session:
            await session.execute(
                text("UPDATE operations SET state = 'waiting' WHERE id = :id"),
                {"id": operation_id},
            )
        refused = await desk.post(f"/desk/operation/{operation_id}/give-up", json=REASON)
        assert (refused.status_code, refused.json()["code"]) == (409, "not_given_up")
        shown = (await desk.get(f"/desk/operation/{operation_id}")).json()
        assert "give-up" not in shown["actions"]
        assert "can't be given up" in shown["to_do"]


async def test_item_is_handed_over_to_a_person_by_name(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    await get_stuck(house, partner)
    (item,) = await on_desk(desk)
    me = (await desk.get("/me")).json()
    body = {"to": me["id"], "reason": "You know this node."}
    assert (await desk.post(path_of(item, "hand-over"), json=body)).status_code == 204
    (item,) = await on_desk(desk, holder_id=me["id"])
    assert (item["holder"]["name"], item["holder"]["note"]) == ("Somebody", body["reason"])
    nobody = await desk.post(path_of(item, "hand-over"), json=body | {"to": str(uuid4())})
    assert (nobody.status_code, nobody.json()["code"]) == (422, "no_such_person")
    assert (
        await desk.post(path_of(item, "hand-over"), json=body | {"to": None})
    ).status_code == 204
    assert (await on_desk(desk))[0]["holder"] is None


async def test_refused_order_stays_until_somebody_dismisses_it(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    await break_calls(house, "create_vm", FaultKind.REFUSED)
    await partner.send("/services", house.order())
    await finish(house)
    (item,) = await on_desk(desk)
    assert (item["state"], item["code"]) == ("failed", "platform_refused")
    refused = await desk.post(path_of(item, "retry"), json=REASON)
    assert (refused.status_code, refused.json()["code"]) == (409, "not_retryable")
    assert (await desk.post(path_of(item, "dismiss"), json=REASON)).status_code == 204
    assert await on_desk(desk) == []


async def test_list_is_filtered_and_paged(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    other = await house.new_partner()
    await break_calls(house, "create_vm", FaultKind.REFUSED)
    ids = []
    for caller in (partner, partner, other):
        answer = await caller.send("/services", house.order())
        ids.append(answer.json()["id"])
        await finish(house)
    assert [item["id"] for item in await on_desk(desk)] == ids
    assert [item["id"] for item in await on_desk(desk, partner_id=str(other.id))] == ids[2:]
    assert await on_desk(desk, state="waiting") == []
    assert await on_desk(desk, kind="job") == []
    first = (await desk.get("/desk", params={"limit": 2})).json()
    rest = (await desk.get("/desk", params={"limit": 2, "after": first["next"]})).json()
    assert [item["id"] for item in (*first["items"], *rest["items"])] == ids
    assert rest["next"] is None
    since = first["items"][1]["since"]
    assert [item["id"] for item in await on_desk(desk, since=since)] == ids[1:]
    forged = await desk.get("/desk", params={"after": "bm9wZQ"})
    assert forged.json()["code"] == "cursor_invalid"


async def test_dead_job_is_shown_retried_and_removed(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    async with house.runtime.staff.write() as session:
        await session.execute(
            text(
                "UPDATE jobs SET state = 'dead', last_error = 'ValueError: broken'"
                " WHERE kind = 'service_expire'"
            )
        )
    (item,) = await on_desk(desk)
    assert (item["kind"], item["state"], item["what"]) == ("job", "dead", "service_expire")
    assert item["detail"] == "ValueError: broken"
    assert (await desk.post(path_of(item, "retry"), json=REASON)).status_code == 204
    assert await on_desk(desk) == []
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE jobs SET state = 'dead' WHERE kind = 'service_expire'"))
    assert (await desk.post(path_of(item, "give-up"), json=REASON)).status_code == 204
    assert await house.count("jobs", "kind = 'service_expire'") == 0


async def test_what_is_being_tried_again_stays_on_the_desk(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    await get_stuck(house, partner)
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE operations SET state = 'running'"))
        await session.execute(
            text(
                "UPDATE jobs SET state = 'running', worker = 7,"
                " lease_until = now() + interval '1 h' WHERE kind = 'operation'"
            )
        )
    (item,) = await on_desk(desk)
    assert (item["state"], item["next_attempt_at"]) == ("waiting", None)
    answer = await desk.post(path_of(item, "give-up"), json=REASON)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_given_up")
    assert "Ask again in a moment" in answer.json()["detail"]


async def test_who_only_reads_presses_no_buttons(
    house: House, partner: Caller, desk: httpx.AsyncClient
) -> None:
    await get_stuck(house, partner)
    reader = await house.as_staff(Role.READ_ONLY)
    (item,) = await on_desk(reader)
    for action in ("retry", "give-up", "dismiss", "unpark"):
        answer = await reader.post(path_of(item, action), json=REASON)
        assert answer.json()["code"] == "role_required"
    missing = await desk.post(f"/desk/operation/{UUID(int=7)}/retry", json=REASON)
    assert missing.json()["code"] == "not_found"


def test_every_kind_of_difference_has_plain_words() -> None:
    assert set(MEANINGS) == set(Kind)
