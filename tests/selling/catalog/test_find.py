"""Which version a partner may order, and which one it renews."""

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy.exc import NoResultFound

from selling_service.catalog.queries import find_offered, find_sold, list_offered, os_image
from selling_service.catalog.rules import OfferedVersion
from shared.contract.basics import Period
from shared.kit.ids import new_id
from shared.kit.people import Role
from tests.selling.catalog.shop import Shop, version


async def find(shop: Shop, partner_id: UUID, tariff_id: str, number: int) -> OfferedVersion | None:
    async with shop.runtime.app.read(tenant=partner_id) as session:
        return await find_offered(session, partner_id, tariff_id=UUID(tariff_id), version=number)


async def sold(shop: Shop, partner_id: UUID, version_id: str) -> OfferedVersion:
    async with shop.runtime.app.read(tenant=partner_id) as session:
        return await find_sold(session, partner_id, version_id=UUID(version_id))


async def test_offered_version_carries_all_that_an_order_needs(shop: Shop) -> None:
    made = await shop.stock_shelves(stock=3)
    partner = await shop.new_partner()
    await shop.offer(partner, made, "12.5")
    found = await find(shop, partner.id, made["id"], 1)
    assert found is not None
    assert (found.code, found.title, found.version, found.stock) == ("vps-1", "VPS 1", 1, 3)
    assert (found.data_center_code, found.platform) == ("fra1", "simulated")
    assert (found.vcpu, found.ram_mib, found.disk_gib, found.ipv4) == (1, 1024, 10, 1)
    assert found.os_templates == ("debian-12",)
    assert list(found.prices) == [Period.HOUR, Period.MONTH]
    assert found.discount_percent == Decimal("12.5")
    assert found.data_center_open
    assert not found.withdrawn
    assert found.orderable
    assert found.first_charge(Period.MONTH) == (866, 131)
    assert found.renewal_charge(Period.HOUR) == 1
    with pytest.raises(KeyError):
        found.first_charge(Period.YEAR)


async def test_tariff_of_another_partner_is_not_found(shop: Shop) -> None:
    made = await shop.stock_shelves()
    first, second = await shop.new_partner("A"), await shop.new_partner("B")
    await shop.offer(first, made, "0")
    assert await find(shop, first.id, made["id"], 1) is not None
    assert await find(shop, second.id, made["id"], 1) is None
    async with shop.runtime.app.read(tenant=second.id) as session:
        assert await list_offered(session, second.id) == []


async def test_offer_of_another_partner_gives_no_discount(shop: Shop) -> None:
    made = await shop.stock_shelves()
    first, second = await shop.new_partner("A"), await shop.new_partner("B")
    await shop.offer(first, made, "50")
    await shop.offer(second, made, "10")
    async with shop.runtime.staff.read() as session:
        found = await find_offered(session, second.id, tariff_id=UUID(made["id"]), version=1)
        mine = await list_offered(session, first.id)
        bought = await find_sold(session, second.id, version_id=UUID(made["versions"][0]["id"]))
    assert found is not None
    assert found.discount_percent == 10
    assert [one.discount_percent for one in mine] == [50]
    assert bought.discount_percent == 10
    assert bought.renewal_charge(Period.MONTH) == 891


async def test_unknown_tariff_and_unknown_version_are_not_found(shop: Shop) -> None:
    made = await shop.stock_shelves()
    partner = await shop.new_partner()
    await shop.offer(partner, made, "0")
    assert await find(shop, partner.id, made["id"], 2) is None
    assert await find(shop, partner.id, str(new_id()), 1) is None


async def test_next_version_takes_over_at_its_time_and_not_before(shop: Shop) -> None:
    made = await shop.stock_shelves()
    partner = await shop.new_partner()
    await shop.offer(partner, made, "0")
    operator = await shop.as_staff(Role.OPERATOR)
    later = (shop.clock.now() + timedelta(hours=6)).isoformat()
    body = version(vcpu=2, effective_from=later)
    answer = await operator.post(f"/tariffs/{made['id']}/versions", json=body)
    assert (answer.status_code, answer.json()["version"]) == (201, 1)
    assert await find(shop, partner.id, made["id"], 1) is not None
    assert await find(shop, partner.id, made["id"], 2) is None
    shop.clock.advance(hours=6)
    assert await find(shop, partner.id, made["id"], 1) is None
    found = await find(shop, partner.id, made["id"], 2)
    assert found is not None
    assert found.vcpu == 2
    assert (await operator.get(f"/tariffs/{made['id']}")).json()["version"] == 2


async def test_tariff_that_starts_later_is_not_sold_yet(shop: Shop) -> None:
    later = (shop.clock.now() + timedelta(hours=6)).isoformat()
    made = await shop.stock_shelves(effective_from=later)
    assert made["version"] is None
    partner = await shop.new_partner()
    await shop.offer(partner, made, "0")
    assert await find(shop, partner.id, made["id"], 1) is None
    async with shop.runtime.app.read(tenant=partner.id) as session:
        assert await list_offered(session, partner.id) == []


async def test_withdrawn_tariff_is_found_and_says_so(shop: Shop) -> None:
    made = await shop.stock_shelves()
    partner = await shop.new_partner()
    await shop.offer(partner, made, "0")
    operator = await shop.as_staff(Role.OPERATOR)
    await operator.patch(f"/tariffs/{made['id']}", json={"withdrawn": True})
    found = await find(shop, partner.id, made["id"], 1)
    assert found is not None
    assert found.withdrawn
    assert not found.orderable


async def test_sold_version_keeps_its_price_when_replaced_withdrawn_and_taken_away(
    shop: Shop,
) -> None:
    made = await shop.stock_shelves()
    partner = await shop.new_partner()
    await shop.offer(partner, made, "50")
    operator = await shop.as_staff(Role.OPERATOR)
    first = made["versions"][0]["id"]
    dearer = version(prices={"month": {"price": "5000"}})
    assert (await operator.post(f"/tariffs/{made['id']}/versions", json=dearer)).status_code == 201
    await operator.patch(f"/tariffs/{made['id']}", json={"withdrawn": True})
    assert (await sold(shop, partner.id, first)).renewal_charge(Period.MONTH) == 495
    await operator.delete(f"/partners/{partner.id}/offers/{made['id']}")
    found = await sold(shop, partner.id, first)
    assert (found.version, found.withdrawn, found.discount_percent) == (1, True, Decimal(0))
    assert found.renewal_charge(Period.MONTH) == 990


async def test_unknown_sold_version_is_a_mistake_of_the_caller(shop: Shop) -> None:
    partner = await shop.new_partner()
    with pytest.raises(NoResultFound):
        await sold(shop, partner.id, str(new_id()))


async def test_os_image_by_code(shop: Shop) -> None:
    await shop.stock_shelves()
    async with shop.runtime.staff.read() as session:
        assert await os_image(session, "debian-12") == "debian-12"
        assert await os_image(session, "windows-95") is None
