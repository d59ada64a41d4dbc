"""Clients and staff read the same money: what came in, what was charged, what is held."""

from uuid import UUID, uuid4

from reselling_service.ledger.models import BOOKS
from shared.kit.bookkeeping import Posting
from shared.kit.ids import new_id
from tests.reselling.house import House, Person, code_of


async def hold(house: House, client: Person, amount: int) -> UUID:
    posting = Posting(kind="order", text="Small, first month", reference=uuid4())
    async with house.runtime.app.write(tenant=client.id) as session:
        row = await BOOKS.hold(session, owner=client.id, amount=amount, posting=posting)
        return row.id


async def test_a_client_without_money_has_a_balance_of_nothing(house: House) -> None:
    anna = await house.sign_up("Anna")
    nothing = {"amount": 0, "currency": "EUR"}
    expected = {"balance": nothing, "held": nothing, "available": nothing}
    assert await anna.get("/client/v1/balance") == expected
    assert await house.owner.get(f"/staff/v1/clients/{anna.id}/balance") == expected
    assert (await anna.get("/client/v1/statement"))["items"] == []


async def test_held_money_is_not_available_and_a_charge_is_on_the_statement(house: House) -> None:
    anna = await house.sign_up("Anna")
    await house.top_up(anna, 5000)
    hold_id = await hold(house, anna, 1200)
    balance = await anna.get("/client/v1/balance")
    amounts = {name: money["amount"] for name, money in balance.items()}
    assert amounts == {"balance": 5000, "held": 1200, "available": 3800}
    (held,) = (await house.owner.get("/staff/v1/holds?state=open"))["items"]
    assert (held["id"], held["client_id"]) == (str(hold_id), str(anna.id))
    async with house.runtime.staff.write() as session:
        assert await BOOKS.capture(session, owner=anna.id, hold_id=hold_id, kind="charge")
    lines = (await anna.get("/client/v1/statement"))["items"]
    assert [(line["amount"]["amount"], line["balance_after"]["amount"]) for line in lines] == [
        (5000, 5000),
        (-1200, 3800),
    ]
    assert lines == (await house.owner.get(f"/staff/v1/clients/{anna.id}/statement"))["items"]
    assert (await house.owner.get("/staff/v1/holds?state=open"))["items"] == []


async def test_a_statement_comes_in_pages_in_the_order_of_its_lines(house: House) -> None:
    anna = await house.sign_up("Anna")
    for amount in (100, 200, 300):
        await house.top_up(anna, amount)
    first = await anna.get("/client/v1/statement?limit=2")
    await house.top_up(anna, 400)
    second = await anna.get("/client/v1/statement", params={"after": first["next"]})
    amounts = [line["amount"]["amount"] for line in first["items"] + second["items"]]
    assert amounts == [100, 200, 300, 400]


async def test_a_cursor_of_another_client_shows_nothing(house: House) -> None:
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    for client in (anna, berta):
        for amount in (100, 200):
            await house.top_up(client, amount)
    foreign = (await berta.get("/client/v1/statement?limit=1"))["next"]
    found = await anna.get("/client/v1/statement", params={"after": foreign})
    assert found["items"] == []


async def test_a_cursor_that_is_none_is_refused(house: House) -> None:
    anna = await house.sign_up("Anna")
    answer = await anna.ask("GET", "/client/v1/statement", params={"after": "nonsense"})
    assert code_of(answer) == (400, "cursor_invalid")


async def test_holds_are_listed_of_one_client(house: House) -> None:
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    for client in (anna, berta):
        await house.top_up(client, 1000)
        await hold(house, client, 300)
    found = await house.owner.get("/staff/v1/holds", params={"client_id": str(berta.id)})
    assert [item["client_id"] for item in found["items"]] == [str(berta.id)]


async def test_money_of_an_unknown_client_is_not_found(house: House) -> None:
    for what in ("balance", "statement"):
        answer = await house.owner.ask("GET", f"/staff/v1/clients/{new_id()}/{what}")
        assert code_of(answer) == (404, "not_found")
