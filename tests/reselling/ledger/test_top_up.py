"""Staff adds what a client has paid: each payment once, in the house's currency."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select, text

from reselling_service.ledger.models import Entry
from reselling_service.ledger.queries import lock_balance
from shared.kit.ids import new_id
from shared.kit.people import Role
from shared.kit.principals import ClientId
from tests.reselling.house import House, Person, code_of
from tests.reselling.sellers.rig import until


def payment() -> dict[str, Any]:
    return {
        "reference": str(uuid4()),
        "amount": {"amount": 5000, "currency": "EUR"},
        "text": "Bank transfer",
    }


async def pay(house: House, client: Person, body: object) -> httpx.Response:
    return await house.owner.ask("POST", f"/staff/v1/clients/{client.id}/top-ups", json=body)


async def sum_of_entries(house: House, client_id: UUID) -> tuple[int, int]:
    """How many entries a client has, and their sum."""
    statement = select(func.count(), func.coalesce(func.sum(Entry.amount), 0))
    async with house.runtime.staff.read() as session:
        row = (await session.execute(statement.where(Entry.tenant_id == client_id))).one()
        return int(row[0]), int(row[1])


async def test_a_payment_is_on_the_balance_and_on_the_statement(house: House) -> None:
    anna = await house.sign_up("Anna")
    answer = await pay(house, anna, payment())
    assert answer.status_code == 201
    line = answer.json()
    assert (line["kind"], line["text"]) == ("top_up", "Bank transfer")
    assert line["amount"] == line["balance_after"] == {"amount": 5000, "currency": "EUR"}
    assert (await anna.get("/client/v1/balance"))["available"]["amount"] == 5000
    assert (await anna.get("/client/v1/statement"))["items"] == [line]
    assert await sum_of_entries(house, anna.id) == (2, 0)


async def test_a_button_clicked_twice_adds_once(house: House) -> None:
    anna = await house.sign_up("Anna")
    body = payment()
    answers = await asyncio.gather(*(pay(house, anna, body) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await anna.get("/client/v1/balance"))["balance"]["amount"] == 5000
    path = f"/staff/v1/audit?object_type=client&object_id={anna.id}"
    assert len((await house.owner.get(path))["items"]) == 1


async def test_two_clicks_that_meet_at_the_balance_add_once(house: House) -> None:
    anna = await house.sign_up("Anna")
    await house.top_up(anna, 700)
    body = payment()
    async with house.runtime.staff.write() as session:
        await lock_balance(session, ClientId(anna.id))
        clicks = [asyncio.create_task(pay(house, anna, body)) for _ in range(2)]
        await until(lambda: both_wait(house))
    first, second = await asyncio.gather(*clicks)
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert (await anna.get("/client/v1/balance"))["balance"]["amount"] == 5700


async def both_wait(house: House) -> bool:
    waiting = text("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
    async with house.runtime.staff.read() as session:
        return bool((await session.scalar(waiting) or 0) >= 2)


@pytest.mark.parametrize("other", [{"amount": {"amount": 1, "currency": "EUR"}}, {"text": "Cash"}])
async def test_a_reference_is_one_payment(house: House, other: dict[str, Any]) -> None:
    anna = await house.sign_up("Anna")
    body = payment()
    await pay(house, anna, body)
    assert code_of(await pay(house, anna, body | other)) == (409, "reference_taken")
    assert (await anna.get("/client/v1/balance"))["balance"]["amount"] == 5000


async def test_references_of_different_clients_have_nothing_to_do_with_each_other(
    house: House,
) -> None:
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    body = payment()
    for client in (anna, berta):
        assert (await pay(house, client, body)).status_code == 201
        assert (await client.get("/client/v1/balance"))["balance"]["amount"] == 5000


async def test_other_currencies_are_refused(house: House) -> None:
    anna = await house.sign_up("Anna")
    body = payment() | {"amount": {"amount": 5000, "currency": "USD"}}
    assert code_of(await pay(house, anna, body)) == (422, "wrong_currency")
    assert await sum_of_entries(house, anna.id) == (0, 0)


@pytest.mark.parametrize(
    "fault",
    [
        {"amount": {"amount": 0, "currency": "EUR"}},
        {"amount": {"amount": -5, "currency": "EUR"}},
        {"amount": {"amount": 10**13, "currency": "EUR"}},
        {"amount": {"amount": 1.5, "currency": "EUR"}},
        {"amount": {"amount": 5, "currency": "eur"}},
        {"text": "a\u0000b"},
        {"reference": "twice"},
        {"client": "another"},
    ],
    ids=str,
)
async def test_what_is_no_payment_is_refused(house: House, fault: dict[str, Any]) -> None:
    anna = await house.sign_up("Anna")
    assert code_of(await pay(house, anna, payment() | fault)) == (422, "invalid_request")


async def test_nobody_pays_for_a_client_who_does_not_exist(house: House) -> None:
    path = f"/staff/v1/clients/{new_id()}/top-ups"
    answer = await house.owner.ask("POST", path, json=payment())
    assert code_of(answer) == (404, "not_found")


async def test_operators_take_no_money_and_accountants_do(house: House) -> None:
    anna = await house.sign_up("Anna")
    path = f"/staff/v1/clients/{anna.id}/top-ups"
    operator, accountant = await house.staff(Role.OPERATOR), await house.staff(Role.FINANCE)
    assert code_of(await operator.ask("POST", path, json=payment())) == (403, "role_required")
    assert (await accountant.ask("POST", path, json=payment())).status_code == 201
