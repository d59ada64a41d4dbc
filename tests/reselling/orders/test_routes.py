"""Orders and quotes over HTTP: by clients, by staff for them, and once per click."""

import asyncio
from typing import Any

import httpx
from sqlalchemy import text

from shared.kit.ids import new_id
from tests.reselling.house import House, Person, body_of, code_of
from tests.reselling.services.counter import open_counter, order_body
from tests.reselling.services.shop import PRICE, SETUP

EUR = {"currency": "EUR"}
ORDERS = "/client/v1/orders"
NONSENSE: list[dict[str, Any]] = [
    {"hostname": "-bad-"},
    {"ssh_keys": ["not a key"]},
    {"password": "short"},
    {"password_hash": "$6$x$y"},
    {"email": "ann@example.com"},
]


async def click(client: Person, key: str, body: dict[str, Any]) -> httpx.Response:
    headers = {"Authorization": f"Bearer {client.token}", "Idempotency-Key": key}
    return await client.http.post(ORDERS, json=body, headers=headers)


async def test_quote_tells_what_it_costs_and_what_is_left(house: House) -> None:
    tariff_id, anna = await open_counter(house), await house.sign_up("Anna")
    await house.top_up(anna, PRICE)
    asked = {"tariff_id": str(tariff_id), "period": "month"}

    quote = await anna.post("/client/v1/quotes", asked)

    assert [line["amount"]["amount"] for line in quote["lines"]] == [PRICE, SETUP]
    assert quote["total"] == EUR | {"amount": PRICE + SETUP}
    assert quote["renewal"] == EUR | {"amount": PRICE}
    assert (quote["balance_after"]["amount"], quote["affordable"]) == (-SETUP, False)
    assert await house.owner.post(f"/staff/v1/clients/{anna.id}/quotes", asked) == quote


async def test_repeated_click_is_the_same_order(house: House) -> None:
    tariff_id, anna = await open_counter(house), await house.sign_up("Anna")
    await house.top_up(anna, 10_000)
    body = order_body(tariff_id, password="correct horse battery")

    answers = await asyncio.gather(*(click(anna, "click-1", body) for _ in range(4)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert (await anna.get("/client/v1/balance"))["held"]["amount"] == PRICE + SETUP
    other = await click(anna, "click-1", order_body(tariff_id, hostname="other.example.com"))
    assert code_of(other) == (422, "idempotency_key_reused")


async def test_same_key_of_another_client_is_another_order(house: House) -> None:
    tariff_id = await open_counter(house)
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    await house.top_up(anna, 10_000)
    await house.top_up(berta, 10_000)
    first = body_of(await click(anna, "click-1", order_body(tariff_id)))
    second = body_of(await click(berta, "click-1", order_body(tariff_id)))
    assert first["id"] != second["id"]


async def test_orders_of_others_are_not_found(house: House) -> None:
    tariff_id = await open_counter(house)
    anna, berta = await house.sign_up("Anna"), await house.sign_up("Berta")
    await house.top_up(anna, 10_000)
    order = await anna.post(ORDERS, order_body(tariff_id))

    assert [row["id"] for row in (await anna.get(ORDERS))["items"]] == [order["id"]]
    assert (await berta.get(ORDERS))["items"] == []
    for one in (order["id"], new_id()):
        assert code_of(await berta.ask("GET", f"{ORDERS}/{one}")) == (404, "not_found")


async def test_staff_order_for_a_client_who_pays(house: House) -> None:
    tariff_id, anna = await open_counter(house), await house.sign_up("Anna")
    await house.top_up(anna, 10_000)

    made = await house.owner.post(f"/staff/v1/clients/{anna.id}/orders", order_body(tariff_id))

    assert (made["client_id"], made["state"]) == (str(anna.id), "pending")
    assert made["ordered_by"] == f"staff:{house.owner.id}"
    assert (await anna.get(f"{ORDERS}/{made['id']}"))["total"]["amount"] == PRICE + SETUP
    assert await house.owner.get(f"/staff/v1/orders/{made['id']}") == made
    async with house.runtime.staff.read() as session:
        row = await session.execute(
            text("SELECT action FROM audit_entries WHERE object_id = :id"), {"id": made["id"]}
        )
        assert row.scalar_one() == "order.create"


async def test_staff_order_for_nobody_is_not_found(house: House) -> None:
    tariff_id = await open_counter(house)
    answer = await house.owner.ask(
        "POST", f"/staff/v1/clients/{new_id()}/orders", json=order_body(tariff_id)
    )
    assert code_of(answer) == (404, "not_found")


async def test_without_money_nothing_is_ordered(house: House) -> None:
    tariff_id, anna = await open_counter(house), await house.sign_up("Anna")
    answer = await anna.ask("POST", ORDERS, json=order_body(tariff_id))
    assert code_of(answer) == (402, "insufficient_balance")
    assert (await anna.get(ORDERS))["items"] == []


async def test_what_no_vm_understands_is_refused(house: House) -> None:
    tariff_id, anna = await open_counter(house), await house.sign_up("Anna")
    for options in NONSENSE:
        answer = await anna.ask("POST", ORDERS, json=order_body(tariff_id, **options))
        assert code_of(answer) == (422, "invalid_request")


async def test_neither_password_nor_host_name_lies_in_the_database(house: House) -> None:
    tariff_id, anna = await open_counter(house), await house.sign_up("Anna")
    await house.top_up(anna, 10_000)
    body = order_body(tariff_id, password="correct horse battery", user_data="#cloud-config")
    body["name"] = "Web shop"
    await anna.post(ORDERS, body)
    async with house.runtime.staff.read() as session:
        for table in ("services", "orders", "commands", "jobs", "holds"):
            rows = await session.execute(text(f"SELECT t::text FROM {table} t"))  # noqa: S608
            found = " ".join(rows.scalars())
            assert found
            for secret in ("horse", "web-1.example.com", "cloud-config"):
                assert secret not in found
