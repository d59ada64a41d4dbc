"""A seller's catalogue moves on; staff sees how, and catches up."""

from typing import Any
from uuid import UUID

import pytest

from tests.reselling.house import House
from tests.reselling.tariffs.shop import Shop


async def sync(house: House, seller_id: UUID, *, dry_run: bool = False) -> dict[str, Any]:
    path = f"/staff/v1/sellers/{seller_id}/sync-tariffs"
    found: dict[str, Any] = await house.owner.post(path, {"dry_run": dry_run})
    return found


async def import_all(house: House, seller_id: UUID) -> None:
    wish = {"markup_percent": "20", "enable": True}
    await house.owner.post(f"/staff/v1/sellers/{seller_id}/import", wish)


async def only_tariff(house: House) -> dict[str, Any]:
    (item,) = (await house.owner.get("/staff/v1/tariffs"))["items"]
    found: dict[str, Any] = item
    return found


async def test_nothing_differs_right_after_an_import(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    offer = shop.offer()
    await import_all(house, seller_id)
    offer["in_stock"] = 1
    result = await sync(house, seller_id, dry_run=True)
    assert (result["items"], result["same"]) == ([], 1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("resources", {"vcpu": 2, "ram_mib": 1024, "disk_gib": 10, "ipv4": 1}),
        ("os_templates", [{"code": "debian-13", "title": "Debian 13"}]),
        ("title", "Another title"),
        ("orderable", False),
    ],
)
async def test_what_changed_is_told_field_by_field(
    house: House, shop: Shop, seller_id: UUID, field: str, value: object
) -> None:
    offer = shop.offer()
    await import_all(house, seller_id)
    before = offer[field]
    offer[field], offer["version"] = value, 2
    (item,) = (await sync(house, seller_id, dry_run=True))["items"]
    assert item["difference"] == "changed"
    told = {change["field"]: (change["before"], change["after"]) for change in item["changes"]}
    assert told == {"version": (1, 2), field: (before, value)}


async def test_a_dry_run_changes_nothing(house: House, shop: Shop, seller_id: UUID) -> None:
    offer = shop.offer()
    await import_all(house, seller_id)
    before = await only_tariff(house)
    offer["prices"] = [shop.price("month", "2000")]
    assert len((await sync(house, seller_id, dry_run=True))["items"]) == 1
    assert await only_tariff(house) == before


async def test_new_prices_come_in_at_the_own_markup_and_lost_periods_go(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    offer = shop.offer()
    await import_all(house, seller_id)
    offer["prices"], offer["version"] = [shop.price("month", "2000"), shop.price("year", "9")], 2
    await sync(house, seller_id)
    found = await only_tariff(house)
    prices = {price["period"]: price["price"]["amount"] for price in found["prices"]}
    assert prices == {"month": 2400, "year": 11}
    assert (found["upstream_version"], found["enabled"]) == (2, True)


async def test_a_withdrawn_tariff_leaves_the_sale_and_comes_back_with_the_offer(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    shop.offer()
    await import_all(house, seller_id)
    anna = await house.sign_up("Anna")
    kept, shop.tariffs = shop.tariffs, []
    (item,) = (await sync(house, seller_id))["items"]
    assert (item["difference"], item["code"]) == ("withdrawn", "vm-s")
    assert (await only_tariff(house))["withdrawn"]
    assert (await anna.get("/client/v1/tariffs"))["items"] == []
    assert (await sync(house, seller_id))["items"] == []
    shop.tariffs = kept
    (item,) = (await sync(house, seller_id))["items"]
    assert item["difference"] == "returned"
    assert len((await anna.get("/client/v1/tariffs"))["items"]) == 1


async def test_new_offers_are_told_and_not_imported(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    shop.offer("vm-s")
    await import_all(house, seller_id)
    shop.offer("vm-l")
    (item,) = (await sync(house, seller_id))["items"]
    assert (item["difference"], item["code"], item["tariff_id"]) == ("new", "vm-l", None)
    assert (await only_tariff(house))["upstream_code"] == "vm-s"


async def test_the_audit_tells_what_a_sync_changed(
    house: House, shop: Shop, seller_id: UUID
) -> None:
    offer = shop.offer()
    await import_all(house, seller_id)
    offer["version"] = 2
    await sync(house, seller_id)
    path = f"/staff/v1/audit?object_type=seller&object_id={seller_id}"
    entries = (await house.owner.get(path))["items"]
    told = [(entry["action"], entry["after"]) for entry in entries[1:]]
    assert told == [("tariffs.import", {"new": ["vm-s"]}), ("tariffs.sync", {"changed": ["vm-s"]})]
