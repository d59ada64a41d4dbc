"""What another term costs moves with staff's decisions only, and then renewals go on."""

from datetime import timedelta

from reselling_service.services import actions, queries
from tests.reselling.house import House
from tests.reselling.services.counter import buy, open_counter
from tests.reselling.services.shop import ALICE, PRICE, Shop, execute
from tests.reselling.services.voice import MONTH

DAY = timedelta(hours=24)


async def test_renewal_that_the_sellers_price_stopped_goes_out_with_the_new_one(
    shop: Shop,
) -> None:
    service, _voice = await shop.built()
    shop.clock.advance(MONTH - DAY)
    await shop.work()
    (command,) = await shop.open_commands(service)
    await shop.refuse(command, "price_above_max")

    async with shop.runtime.staff.write() as session:
        locked = await queries.lock_service(session, ALICE, service_id=service.id)
        assert await actions.set_price(session, locked, price=PRICE + 50, upstream_max_price=800)
    await shop.work()

    assert await shop.commands(service) == ["order", "renew", "renew"]
    assert (await shop.holds())[-1] == (PRICE + 50, "open")


async def test_services_of_a_tariff_get_its_prices_of_today(shop: Shop) -> None:
    first, _voice = await shop.built()
    second = await shop.order()
    ended = await shop.order()
    await execute(shop, "UPDATE services SET wanted_life = 'cancelled' WHERE id = :id", id=ended.id)
    await execute(shop, "UPDATE tariff_prices SET price = 1300, upstream_price = 900.5")

    async with shop.runtime.staff.write() as session:
        assert await actions.reprice(session, ALICE, tariff_id=shop.tariff_id) == 2
    async with shop.runtime.staff.write() as session:
        assert await actions.reprice(session, ALICE, tariff_id=shop.tariff_id) == 0

    rows = [await shop.service(each.id) for each in (first, second, ended)]
    prices = [(row.price, row.upstream_max_price) for row in rows]
    assert prices == [(1300, 901), (1300, 901), (PRICE, ended.upstream_max_price)]


async def test_prices_are_changed_by_staff_and_audited(house: House) -> None:
    anna, tariff_id = await house.sign_up("Anna"), await open_counter(house)
    bought = await buy(house, anna, tariff_id)
    path = f"/staff/v1/services/{bought['id']}/price"
    wish = {"price": 1500, "upstream_max_price": 1000}
    assert (await house.owner.ask("PUT", path, json=wish)).json()["price"]["amount"] == 1500
    assert (await anna.get(f"/client/v1/services/{bought['id']}"))["price"]["amount"] == 1500

    again = await house.owner.post("/staff/v1/services/reprice", {"tariff_id": str(tariff_id)})
    assert again == {"changed": 1}
    assert (await anna.get(f"/client/v1/services/{bought['id']}"))["price"]["amount"] == PRICE
    audit = (await house.owner.get("/staff/v1/audit"))["items"]
    assert {"service.price", "service.reprice"} <= {entry["action"] for entry in audit}
