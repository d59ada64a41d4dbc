"""Books that contradict themselves are set aside, at the provider; everything else goes on."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from selling_service.desk.actions import MONEY
from selling_service.desk.queries import count_desk
from selling_service.provisioning.drivers.simulated import FaultKind
from shared.kit.people import Role
from tests.selling.desk.test_desk import on_desk, path_of
from tests.selling.services.faults import break_calls, finish, finish_but, mend, work_until_state
from tests.selling.services.house import Caller, House

UNPARK: dict[str, Any] = {"reason": "Looked at and corrected."}


async def sql(house: House, *statements: str) -> None:
    """As the owner of the tables, whom no trigger and no right holds back."""
    async with house.runtime.staff.write() as session:
        await session.execute(text("SET LOCAL ROLE NONE"))
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await session.execute(text(statement))


async def check(house: House) -> int:
    async with house.runtime.staff.read() as session:
        found = await MONEY.find_wrong(session)
    async with house.runtime.staff.write() as session:
        return await MONEY.park(session, found)


async def lose_the_charge(house: House, partner: Caller, ref: str) -> str:
    await sql(house, "DELETE FROM entries WHERE kind = 'order'")
    await sql(house, "UPDATE balances SET balance = balance + 1080")
    return "term_without_charge"


async def charge_twice(house: House, partner: Caller, ref: str) -> str:
    copy = (
        "INSERT INTO entries SELECT partner_id, gen_random_uuid(), transaction_id,"
        " number + (random() * 100000)::int + 90, book, kind, amount, balance_after, reference,"
        " service_id, text, at FROM entries WHERE kind = 'order'"
    )
    await sql(house, copy, "UPDATE balances SET balance = balance - 1080")
    return "charged_twice"


async def forget_the_work(house: House, partner: Caller, ref: str) -> str:
    back = "UPDATE holds SET state = 'open', closed_at = NULL"
    await sql(house, back, "UPDATE balances SET held = held + 1080")
    return "hold_without_work"


@pytest.mark.parametrize("break_books", [lose_the_charge, charge_twice, forget_the_work])
async def test_service_with_wrong_money_is_parked_and_others_go_on(
    house: House,
    partner: Caller,
    desk: httpx.AsyncClient,
    ref: str,
    break_books: Callable[[House, Caller, str], Awaitable[str]],
) -> None:
    assert await check(house) == 0
    code = await break_books(house, partner, ref)
    assert await check(house) == 1
    assert await check(house) == 0
    (item,) = await on_desk(desk, state="parked")
    assert (item["kind"], item["code"]) == ("service", code)
    assert item["detail"]
    assert item["actions"] == ["hand-over", "unpark"]
    for verb, body in (("stop", {}), ("renew", await term(partner, ref)), ("restart", {})):
        refused = await partner.send(f"/services/{ref}/{verb}", body)
        assert (refused.status_code, refused.json()["code"]) == (409, "parked")
        assert refused.json()["outcome"] == "refused"
    other = await partner.send("/services", house.order())
    stopped = await partner.send(f"/services/{ref}/suspend", {"actor": "client"})
    ended = await partner.send(f"/services/{ref}/terminate", {})
    await finish(house)
    for answer in (other, stopped, ended):
        assert (await partner.operation(answer))["state"] == "succeeded"
    async with house.runtime.staff.read() as session:
        assert ("service", "parked", 1) in await count_desk(session)


async def term(partner: Caller, ref: str) -> dict[str, Any]:
    return {"from": (await partner.service(ref))["paid_until"]}


async def test_what_waits_is_set_aside_lets_an_end_by_and_goes_on_when_unparked(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    second = house.order()
    await partner.send("/services", second)
    await finish(house)
    other = str(second["service_ref"])
    await break_calls(house, "stop_vm", FaultKind.UNAVAILABLE)
    waiting = [await partner.send(f"/services/{one}/stop", {}) for one in (ref, other)]
    for answer in waiting:
        await work_until_state(house, partner, answer, "waiting")
    await sql(house, "UPDATE holds SET state = 'open', closed_at = NULL")
    await sql(house, "UPDATE balances SET held = held + 2160")
    assert await check(house) == 2
    await mend(house)
    ended = await partner.send(f"/services/{other}/terminate", {})
    await finish_but(house, waiting[0])
    assert (await partner.operation(ended))["state"] == "succeeded"
    held_up = await partner.operation(waiting[0])
    assert (held_up["state"], held_up["problem"]["code"]) == ("waiting", "parked")
    (item,) = await on_desk(desk, kind="operation")
    assert item["state"] == "stopped"

    await sql(house, "UPDATE holds SET state = 'captured', closed_at = created_at")
    await sql(house, "UPDATE balances SET held = held - 2160")
    money = await house.as_staff(Role.FINANCE)
    for item in await on_desk(money, state="parked"):
        assert (await money.post(path_of(item, "unpark"), json=UNPARK)).status_code == 204
    await finish(house)
    assert (await partner.operation(waiting[0]))["state"] == "succeeded"
    assert (await partner.service(ref))["power"] == "stopped"


def more_by(partner: Caller, amount: int) -> str:
    """SQL that changes the balance behind the back of its postings."""
    mine = f"partner_id = '{partner.id}'"
    return f"UPDATE balances SET balance = balance + {amount} WHERE {mine}"  # noqa: S608


async def test_account_with_a_wrong_balance_takes_no_new_money_but_power_works(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    other = await house.new_partner()
    await sql(house, more_by(partner, 5))
    assert await check(house) == 1
    (item,) = await on_desk(desk)
    assert (item["kind"], item["id"]) == ("account", str(partner.id))
    assert (item["code"], item["detail"]) == (
        "balance_differs",
        "the balance is 5 above its postings",
    )
    ordered = await partner.send("/services", house.order())
    renewed = await partner.send(f"/services/{ref}/renew", await term(partner, ref))
    assert [answer.json()["code"] for answer in (ordered, renewed)] == ["parked", "parked"]
    assert (await other.send("/services", house.order())).status_code == 202
    assert (await partner.send(f"/services/{ref}/stop", {})).status_code == 202
    await finish(house)

    money = await house.as_staff(Role.FINANCE)
    wrong = await money.post(path_of(item, "unpark"), json=UNPARK)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "still_wrong")
    assert wrong.json()["blockers"] == [
        {"code": "balance_differs", "detail": "the balance is 5 above its postings"}
    ]
    await sql(house, more_by(partner, -5))
    assert (await money.post(path_of(item, "unpark"), json=UNPARK)).status_code == 204
    assert (await partner.send("/services", house.order())).status_code == 202


async def test_what_was_made_good_by_hand_is_not_parked_for_the_same_again(
    house: House, partner: Caller, desk: httpx.AsyncClient, ref: str
) -> None:
    await charge_twice(house, partner, ref)
    assert await check(house) == 1
    (item,) = await on_desk(desk)
    operator = await desk.post(path_of(item, "unpark"), json=UNPARK | {"settled_by_hand": True})
    assert operator.json()["code"] == "role_required"
    money = await house.as_staff(Role.FINANCE)
    body = UNPARK | {"settled_by_hand": True}
    assert (await money.post(path_of(item, "unpark"), json=body)).status_code == 204
    assert await check(house) == 0
    assert (await partner.send(f"/services/{ref}/stop", {})).status_code == 202
    await charge_twice(house, partner, ref)
    await check(house)
    assert [item["code"] for item in await on_desk(desk, kind="service")] == ["charged_twice"]
