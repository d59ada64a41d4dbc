"""What the reseller's staff find on their desk, and what they do about it."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from reselling_service.commands.actions import begin_attempt, record_attempt, settle
from reselling_service.commands.models import Command
from reselling_service.desk.rules import WORDS, DeskState, explain
from reselling_service.reconciliation.rules import MEANINGS, Kind
from reselling_service.services import actions
from reselling_service.services.rules import Cause
from shared.contract.basics import SuspensionReason
from shared.contract.problems import WIRE_PROBLEMS
from shared.kit.people import Role
from tests.reselling.house import House, code_of
from tests.reselling.services.shop import BY_STAFF, PRICE, SETUP, Shop, execute

DESK = "/staff/v1/desk"
REASON = {"reason": "The seller is down until noon."}
LONG_AGO = "UPDATE commands SET created_at = '2020-01-01T00:00:00Z'"


async def on_desk(house: House, **wanted: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await house.owner.get(DESK, params=wanted))["items"]
    return items


def path_of(item: dict[str, Any], action: str) -> str:
    return f"{DESK}/{item['kind']}/{item['id']}/{action}"


async def order(shop: Shop) -> Command:
    (command,) = await shop.open_commands(await shop.order())
    return command


async def leave_unanswered(shop: Shop, command: Command, **found: Any) -> None:
    """It went out, and nothing came back, long ago."""
    async with shop.runtime.staff.write() as session:
        await begin_attempt(session, command)
        await record_attempt(session, command, milliseconds=9, outcome="nothing", **found)
    await execute(shop, LONG_AGO)


async def test_order_without_an_answer_says_why_and_whose_money_waits(
    shop: Shop, house: House
) -> None:
    command = await order(shop)
    assert await on_desk(house) == []
    await leave_unanswered(shop, command, status=403, code="partner_blocked", detail="403 blocked")
    (item,) = await on_desk(house)
    assert (item["kind"], item["id"], item["state"]) == ("command", str(command.id), "unanswered")
    assert (item["what"], item["code"], item["detail"]) == (
        "order",
        "partner_blocked",
        "403 blocked",
    )
    assert "has blocked us" in item["why"]
    assert "Settle it with the seller." in item["to_do"]
    assert item["attempts"] == 1
    assert item["next_attempt_at"] is not None
    assert item["money"] == {
        "amount": {"amount": PRICE + SETUP, "currency": "EUR"},
        "state": "open",
    }
    assert item["seller_name"] == "Hosting A"
    assert item["trace_id"] in str(command.traceparent)
    assert item["actions"] == ["give-up", "hand-over", "retry"]
    assert await house.owner.get(f"{DESK}/command/{command.id}") == item


async def test_desk_names_no_client(shop: Shop, house: House) -> None:
    await leave_unanswered(shop, await order(shop))
    answer = await house.owner.ask("GET", DESK)
    assert str(shop.client_id) in answer.text
    for secret in ("Ann", "@example.com", "web-1.example.com"):
        assert secret not in answer.text


async def test_giving_up_what_was_never_sent_gives_the_money_back_at_once(
    shop: Shop, house: House
) -> None:
    before = await shop.available()
    await order(shop)
    await execute(shop, LONG_AGO)
    (item,) = await on_desk(house, state="unsent")
    await house.owner.post(path_of(item, "give-up"), REASON)
    assert await shop.available() == before
    assert await on_desk(house) == []
    (entry,) = (await house.owner.get("/staff/v1/audit", params={"object_type": "command"}))[
        "items"
    ]
    assert (entry["action"], entry["after"]["reason"]) == ("command.cancel", REASON["reason"])


async def test_giving_up_what_may_have_arrived_holds_the_money_until_the_seller_has_spoken(
    shop: Shop, house: House
) -> None:
    await leave_unanswered(shop, await order(shop))
    (item,) = await on_desk(house)
    await house.owner.post(path_of(item, "give-up"), REASON)
    assert [state for _, state in await shop.holds()] == ["open"]
    async with shop.runtime.staff.write() as session:
        (command,) = await shop.open_commands(await shop.service(item["service_id"]))
        await settle(session, command, state="cancelled")
    assert [state for _, state in await shop.holds()] == ["released"]


async def test_suspension_is_never_given_up_also_not_by_cancelling(
    shop: Shop, house: House
) -> None:
    service, _voice = await shop.built()
    await shop.wish(
        service,
        actions.suspend,
        BY_STAFF,
        cause=Cause.STAFF,
        reason=SuspensionReason.OTHER,
    )
    (command,) = await shop.open_commands(service)
    await leave_unanswered(shop, command)
    (item,) = await on_desk(house)
    assert "VM may run on" in item["to_do"]
    assert item["actions"] == ["hand-over", "retry"]
    for path in (path_of(item, "give-up"), f"/staff/v1/commands/{command.id}/cancel"):
        answer = await house.owner.ask("POST", path, json=REASON)
        assert code_of(answer) == (409, "not_given_up")
    await house.owner.post(path_of(item, "retry"), REASON)


async def test_refused_order_is_shown_until_it_is_dismissed(shop: Shop, house: House) -> None:
    await shop.refuse(await order(shop), "insufficient_balance")
    (item,) = await on_desk(house)
    assert (item["state"], item["money"]["state"]) == ("refused", "released")
    assert item["why"].startswith("OUR balance at the seller")
    for action, code in (("retry", "not_retryable"), ("give-up", "not_given_up")):
        answer = await house.owner.ask("POST", path_of(item, action), json=REASON)
        assert code_of(answer) == (409, code)
    await house.owner.post(path_of(item, "dismiss"), REASON)
    assert await on_desk(house) == []


async def test_broken_link_and_feed_are_shown_and_tried_again(shop: Shop, house: House) -> None:
    await execute(
        shop,
        "UPDATE sellers SET link = 'broken', link_problem = 'No answer in time', failures = 5,"
        " link_since = created_at, retry_after = '2100-01-01T00:00:00Z'",
    )
    await execute(
        shop,
        "INSERT INTO seller_feeds (seller_id, number, mode, problem)"
        " SELECT id, 0, 'waiting', 'The key is refused.' FROM sellers",
    )
    items = {item["kind"]: item for item in await on_desk(house, state="broken")}
    assert items["link"]["detail"] == "No answer in time"
    assert items["feed"]["detail"] == "The key is refused."
    for item in items.values():
        assert item["seller_id"] == str(shop.seller_id)
        await house.owner.post(path_of(item, "retry"), REASON)
    found = await on_desk(house, kind="link")
    assert found[0]["next_attempt_at"] < "2100"


async def test_unread_service_and_dead_job_are_shown(shop: Shop, house: House) -> None:
    service, _voice = await shop.built()
    await execute(shop, "UPDATE services SET parked = 'event 7: ValueError'")
    await execute(
        shop, "UPDATE jobs SET state = 'dead', last_error = 'broken' WHERE kind = 'renew'"
    )
    (unread,) = await on_desk(house, kind="unread")
    assert (unread["id"], unread["detail"]) == (str(service.id), "event 7: ValueError")
    (job,) = await on_desk(house, kind="job")
    assert (job["what"], job["detail"]) == ("renew", "broken")
    await house.owner.post(path_of(job, "retry"), REASON)
    assert await on_desk(house, kind="job") == []


async def test_difference_is_shown_until_it_is_decided_or_gone(shop: Shop, house: House) -> None:
    row = (
        "INSERT INTO reconciliation_differences (id, kind, key, scope, refs, evidence, repair,"
        " safe, ways, first_seen_at, last_seen_at, last_run_id, tried_at)"
        " VALUES (:id, :kind, :kind, 'x', jsonb_build_object('seller', cast(:seller AS text)),"
        " '{}', 'Adopt or undo.', :safe, '{}', :now, :now, :id, :tried)"
    )
    now = shop.clock.now()
    for kind, safe, tried in (
        (Kind.UNKNOWN_HERE, False, None),
        (Kind.HEARD_OTHER, True, None),
        (Kind.COMMAND_UNANSWERED, True, now - timedelta(hours=1)),
        ("of_a_later_release", False, None),
    ):
        values = {"id": uuid4(), "kind": kind, "safe": safe, "tried": tried, "now": now}
        await execute(shop, row, seller=str(shop.seller_id), **values)
    items = {item["what"]: item for item in await on_desk(house, kind="difference")}
    assert set(items) == {Kind.UNKNOWN_HERE, Kind.COMMAND_UNANSWERED, "of_a_later_release"}
    assert items[Kind.UNKNOWN_HERE]["why"] == MEANINGS[Kind.UNKNOWN_HERE]
    assert items[Kind.UNKNOWN_HERE]["detail"] == "Adopt or undo."
    assert items[Kind.UNKNOWN_HERE]["seller_name"] == "Hosting A"
    await execute(shop, "UPDATE reconciliation_differences SET gone_at = last_seen_at")
    assert await on_desk(house) == []
    await execute(
        shop,
        "UPDATE reconciliation_differences"
        " SET gone_at = NULL, decision = 'ignore', decided_at = last_seen_at, decided_by = 'x'",
    )
    assert await on_desk(house) == []


def test_every_kind_of_difference_has_plain_words() -> None:
    assert set(MEANINGS) == set(Kind)


async def test_item_is_handed_over_and_found_by_its_holder(shop: Shop, house: House) -> None:
    await leave_unanswered(shop, await order(shop))
    (item,) = await on_desk(house)
    person = await house.staff(Role.OPERATOR)
    await house.owner.post(path_of(item, "hand-over"), {"to": str(person.id)} | REASON)
    (item,) = await on_desk(house, holder_id=str(person.id))
    assert (item["holder"]["name"], item["holder"]["note"]) == ("operator", REASON["reason"])
    nobody = await house.owner.ask(
        "POST", path_of(item, "hand-over"), json={"to": str(uuid4())} | REASON
    )
    assert code_of(nobody) == (422, "no_such_person")


async def test_list_is_paged_and_readers_press_no_buttons(shop: Shop, house: House) -> None:
    for _ in range(3):
        await order(shop)
    await execute(shop, LONG_AGO)
    everything = [item["id"] for item in await on_desk(house)]
    first = await house.owner.get(DESK, params={"limit": 2})
    rest = await house.owner.get(DESK, params={"limit": 2, "after": first["next"]})
    assert [item["id"] for item in (*first["items"], *rest["items"])] == everything
    reader = await house.staff(Role.READ_ONLY)
    (item, *_) = first["items"]
    answer = await reader.ask("POST", path_of(item, "retry"), json=REASON)
    assert code_of(answer) == (403, "role_required")


@pytest.mark.parametrize("code", sorted(WIRE_PROBLEMS))
def test_every_problem_of_the_wire_has_plain_words(code: str) -> None:
    assert WORDS[code].why.endswith(".")
    shown = explain(kind="command", state=DeskState.REFUSED, what="order", code=code)
    assert shown.to_do
