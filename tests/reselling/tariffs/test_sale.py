"""Staff sets up how a tariff is sold; clients see what is on sale, and nothing behind it."""

from typing import Any
from uuid import UUID

import pytest

from shared.kit.people import Role
from tests.reselling.house import House, code_of
from tests.reselling.tariffs.shop import Shop


@pytest.fixture
async def tariff_id(house: House, shop: Shop, seller_id: UUID) -> str:
    """A tariff that was imported and isn't on sale yet."""
    shop.offer("vm-s")
    wish = {"markup_percent": "20", "names": {"vm-s": "Small"}}
    await house.owner.post(f"/staff/v1/sellers/{seller_id}/import", wish)
    found: str = (await house.owner.get("/staff/v1/tariffs"))["items"][0]["id"]
    return found


async def change(house: House, tariff_id: str, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = await house.owner.patch(f"/staff/v1/tariffs/{tariff_id}", body)
    return found


async def test_clients_see_enabled_tariffs_only(house: House, tariff_id: str) -> None:
    anna = await house.sign_up("Anna")
    path = f"/client/v1/tariffs/{tariff_id}"
    assert (await anna.get("/client/v1/tariffs"))["items"] == []
    assert code_of(await anna.ask("GET", path)) == (404, "not_found")
    await change(house, tariff_id, {"enabled": True, "description": "For a start"})
    (offer,) = (await anna.get("/client/v1/tariffs"))["items"]
    assert offer == await anna.get(path)
    assert (offer["name"], offer["description"]) == ("Small", "For a start")
    await change(house, tariff_id, {"enabled": False})
    assert (await anna.get("/client/v1/tariffs"))["items"] == []


async def test_clients_learn_nothing_of_the_seller(
    house: House, shop: Shop, seller_id: UUID, tariff_id: str
) -> None:
    await change(house, tariff_id, {"enabled": True})
    anna = await house.sign_up("Anna")
    answer = await anna.ask("GET", "/client/v1/tariffs")
    (offer,) = answer.json()["items"]
    assert set(offer) == {
        *("id", "name", "description", "resources", "os_templates", "capabilities", "prices")
    }
    assert {tuple(price) for price in offer["prices"]} == {("period", "price", "setup_fee")}
    upstream = shop.tariffs[0]
    for secret in (upstream["tariff_id"], str(seller_id), "Hosting A", "Upstream", "vm-s", "dc-1"):
        assert secret not in answer.text
    assert "990" not in answer.text
    assert "991" not in answer.text


async def test_a_new_markup_prices_every_period_anew(house: House, tariff_id: str) -> None:
    changed = await change(house, tariff_id, {"markup_percent": "50"})
    prices = {price["period"]: price["price"]["amount"] for price in changed["prices"]}
    assert prices == {"hour": 2, "month": 1487}
    assert changed["name"] == "Small"


async def test_a_description_is_emptied_by_null_and_kept_when_left_out(
    house: House, tariff_id: str
) -> None:
    await change(house, tariff_id, {"description": "For a start"})
    assert (await change(house, tariff_id, {"name": "S"}))["description"] == "For a start"
    assert (await change(house, tariff_id, {"description": None}))["description"] is None


async def test_a_withdrawn_tariff_can_not_be_enabled(
    house: House, shop: Shop, seller_id: UUID, tariff_id: str
) -> None:
    shop.tariffs = []
    await house.owner.post(f"/staff/v1/sellers/{seller_id}/sync-tariffs", {"dry_run": False})
    path = f"/staff/v1/tariffs/{tariff_id}"
    refused = await house.owner.ask("PATCH", path, json={"enabled": True})
    assert code_of(refused) == (409, "tariff_withdrawn")


async def test_a_change_is_audited_with_before_and_after(house: House, tariff_id: str) -> None:
    await change(house, tariff_id, {"markup_percent": "50", "enabled": True})
    path = f"/staff/v1/audit?object_type=tariff&object_id={tariff_id}"
    (entry,) = (await house.owner.get(path))["items"]
    assert (entry["before"]["enabled"], entry["after"]["enabled"]) == (False, True)
    assert (entry["before"]["markup_percent"], entry["after"]["markup_percent"]) == ("20.00", "50")


@pytest.mark.parametrize(
    "body",
    [{"name": None}, {"name": "\u0000"}, {"enabled": None}, {"markup_percent": -1}, {"price": 1}],
    ids=str,
)
async def test_what_is_no_change_is_refused(
    house: House, tariff_id: str, body: dict[str, Any]
) -> None:
    refused = await house.owner.ask("PATCH", f"/staff/v1/tariffs/{tariff_id}", json=body)
    assert code_of(refused) == (422, "invalid_request")


async def test_who_only_reads_sees_cost_and_margin_and_changes_nothing(
    house: House, tariff_id: str
) -> None:
    reader = await house.staff(Role.READ_ONLY)
    found = await reader.get(f"/staff/v1/tariffs/{tariff_id}")
    assert found["prices"][1]["cost"]["amount"] == 991
    refused = await reader.ask("PATCH", f"/staff/v1/tariffs/{tariff_id}", json={"enabled": True})
    assert code_of(refused) == (403, "role_required")
