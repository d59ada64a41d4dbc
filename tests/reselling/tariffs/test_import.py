"""Tariffs come in from a seller, at a markup, under our names."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from reselling_service.tariffs.queries import find_sellable
from shared.contract.basics import Edition
from shared.kit.ids import new_id
from shared.kit.people import Role
from tests.reselling.house import House, code_of, open_house
from tests.reselling.sellers.fake import Fault
from tests.reselling.sellers.rig import until
from tests.reselling.tariffs.shop import Shop, connect


def path(seller_id: UUID) -> str:
    return f"/staff/v1/sellers/{seller_id}/import"


async def tariffs(house: House) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await house.owner.get("/staff/v1/tariffs"))["items"]
    return items


async def test_all_tariffs_come_in_with_every_period_at_the_markup(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    small, large = shop.offer("vm-s"), shop.offer("vm-l")
    wish = {"markup_percent": "20", "names": {"vm-s": "Small"}}
    result = await house.owner.post(path(seller_id), wish)
    assert [(item["difference"], item["code"]) for item in result["items"]] == [
        ("new", "vm-s"),
        ("new", "vm-l"),
    ]
    first, second = await tariffs(house)
    assert (first["name"], second["name"]) == ("Small", "Upstream vm-l")
    assert [first["upstream_id"], second["upstream_id"]] == [
        small["tariff_id"],
        large["tariff_id"],
    ]
    assert not first["enabled"]
    amounts = {
        price["period"]: [
            price[part]["amount"] for part in ("price", "cost", "margin", "setup_fee")
        ]
        for price in first["prices"]
    }
    assert amounts == {"hour": [1, 1, 0, 0], "month": [1189, 991, 198, 120]}


@pytest.mark.parametrize("edition", list(Edition))
async def test_a_reseller_of_any_edition_connects_imports_and_takes_orders(
    reselling_database_url: str, shop: Shop, edition: Edition
) -> None:
    async with open_house(reselling_database_url, edition=edition) as house:
        assert (await house.owner.get("/staff/v1/about"))["edition"] == edition
        shop.offer("vm-s")
        wish = {"markup_percent": "20", "enable": True}
        await house.owner.post(path(await connect(house, shop)), wish)
        anna = await house.sign_up("Anna")
        await house.top_up(anna, 10_000)
        (tariff,) = (await anna.get("/client/v1/tariffs"))["items"]
        options = {"os": "debian-12", "hostname": "web-1.example.com"}
        order = {"tariff_id": tariff["id"], "period": "month", "options": options}
        assert (await anna.ask("POST", "/client/v1/orders", json=order)).status_code == 201


async def test_only_what_is_named_comes_in(house: House, shop: Shop, seller_id: UUID) -> None:
    shop.offer("vm-s")
    large = shop.offer("vm-l")
    wish = {"markup_percent": "0", "upstream_ids": [large["tariff_id"]]}
    await house.owner.post(path(seller_id), wish)
    assert [item["upstream_code"] for item in await tariffs(house)] == ["vm-l"]


async def test_what_is_not_offered_refuses_the_whole_import(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    small, missing = shop.offer("vm-s"), str(new_id())
    wish = {"markup_percent": "0", "upstream_ids": [small["tariff_id"], missing]}
    refused = await house.owner.ask("POST", path(seller_id), json=wish)
    assert code_of(refused) == (409, "not_in_catalog")
    assert missing in refused.json()["detail"]
    assert await tariffs(house) == []


async def test_importing_again_takes_the_new_markup_and_keeps_names_and_ids(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    shop.offer("vm-s")
    wish = {"markup_percent": "20", "names": {"vm-s": "Small"}, "enable": True}
    await house.owner.post(path(seller_id), wish)
    (before,) = await tariffs(house)
    await house.owner.post(path(seller_id), {"markup_percent": "100"})
    (after,) = await tariffs(house)
    assert (after["id"], after["name"], after["enabled"]) == (before["id"], "Small", True)
    assert {price["period"]: price["price"]["amount"] for price in after["prices"]} == {
        "hour": 2,
        "month": 1982,
    }


async def test_two_imports_at_once_make_each_tariff_once(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    shop.offer("vm-s")
    wish = {"markup_percent": "20"}
    answers = await asyncio.gather(
        *(house.owner.ask("POST", path(seller_id), json=wish) for _ in range(3))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len(await tariffs(house)) == 1


async def test_a_seller_of_another_currency_is_refused_with_both_named(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    shop.currency = "USD"
    shop.offer("vm-s")
    refused = await house.owner.ask("POST", path(seller_id), json={"markup_percent": "20"})
    assert code_of(refused) == (409, "other_currency")
    assert "USD" in refused.json()["detail"]
    assert "EUR" in refused.json()["detail"]
    assert await tariffs(house) == []


async def test_an_unreachable_seller_is_said_and_nothing_changes(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    # A read is tried again by the HTTP client itself where a kept connection breaks.
    shop.read_faults.extend([Fault("drop"), Fault("drop")])
    refused = await house.owner.ask("POST", path(seller_id), json={"markup_percent": "20"})
    assert code_of(refused) == (424, "seller_unreachable")


async def test_no_connection_is_held_while_the_seller_thinks(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    shop.offer("vm-s")
    shop.read_faults.append(Fault("slow", acts=True, seconds=0.5))
    asked = asyncio.create_task(house.owner.post(path(seller_id), {"markup_percent": "20"}))

    async def arrived() -> bool:
        return bool(shop.sent("/catalog"))

    await until(arrived)
    assert house.runtime.staff.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    await asked


async def test_an_order_can_price_what_was_imported(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    small = shop.offer("vm-s", version=3)
    await house.owner.post(path(seller_id), {"markup_percent": "20", "enable": True})
    tariff_id = UUID((await tariffs(house))[0]["id"])
    async with house.runtime.app.read(tenant=new_id()) as session:
        found = await find_sellable(session, tariff_id=tariff_id, period="month")
        assert await find_sellable(session, tariff_id=tariff_id, period="year") is None
        assert await find_sellable(session, tariff_id=new_id(), period="month") is None
    assert found is not None
    assert (found.upstream_id, found.upstream_version) == (UUID(small["tariff_id"]), 3)
    assert (found.price, found.setup_fee, found.currency) == (1189, 120, "EUR")
    assert (found.upstream_price, found.upstream_first_total) == (Decimal("990.5"), 1091)
    assert (found.enabled, found.withdrawn, found.os_templates) == (True, False, ("debian-12",))


async def test_periods_that_we_do_not_know_are_not_sold(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    shop.offer("vm-s", prices=[shop.price("month", "10"), shop.price("fortnight", "5")])
    await house.owner.post(path(seller_id), {"markup_percent": "20"})
    assert [price["period"] for price in (await tariffs(house))[0]["prices"]] == ["month"]


@pytest.mark.parametrize(
    "fault",
    [
        {"markup_percent": "-1"},
        {"markup_percent": "1000.01"},
        {"markup_percent": "1.005"},
        {"markup_percent": "NaN"},
        {"upstream_ids": []},
        {"names": {"vm-s": "a\u0000b"}},
        {"prices": {}},
    ],
    ids=str,
)
async def test_what_is_no_import_is_refused(
    house: House, seller_id: UUID, fault: dict[str, Any]
) -> None:
    wish = {"markup_percent": "20"} | fault
    refused = await house.owner.ask("POST", path(seller_id), json=wish)
    assert code_of(refused) == (422, "invalid_request")


async def test_an_unknown_seller_is_not_found(house: House) -> None:
    refused = await house.owner.ask("POST", path(new_id()), json={"markup_percent": "20"})
    assert code_of(refused) == (404, "not_found")


async def test_who_may_not_import_is_refused(house: House, seller_id: UUID) -> None:
    accountant = await house.staff(Role.FINANCE)
    refused = await accountant.ask("POST", path(seller_id), json={"markup_percent": "20"})
    assert code_of(refused) == (403, "role_required")
