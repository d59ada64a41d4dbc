"""What an order takes from stock and capacity, and what gives it back."""

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from selling_service.catalog.actions import record_capacity, release, reserve
from selling_service.catalog.queries import find_offered
from selling_service.catalog.rules import OfferedVersion
from selling_service.provisioning.platform import Capacity
from shared.contract.basics import Capability
from shared.kit.people import Role
from shared.kit.problems import ProblemError
from tests.selling.catalog.shop import BIG, Shop, data_center, tariff

USED = "SELECT vms_used, vcpu_used, ram_mib_used, disk_gib_used FROM platforms"


async def offered(shop: Shop, **changes: object) -> OfferedVersion:
    """A tariff on the shelves, as a partner finds it."""
    made = await shop.stock_shelves(**changes)
    partner = await shop.new_partner()
    await shop.offer(partner, made, "0")
    async with shop.runtime.staff.read() as session:
        found = await find_offered(session, partner.id, tariff_id=made["id"], version=1)
    assert found is not None
    return found


async def take(shop: Shop, wanted: OfferedVersion) -> str:
    """Reserve in a transaction of its own; `ok` or the problem's code."""
    try:
        async with shop.runtime.staff.write() as session:
            await reserve(session, wanted)
    except ProblemError as problem:
        return problem.type.code
    return "ok"


async def give_back(shop: Shop, wanted: OfferedVersion) -> None:
    async with shop.runtime.staff.write() as session:
        await release(
            session,
            tariff_id=wanted.tariff_id,
            data_center_id=wanted.data_center_id,
            vcpu=wanted.vcpu,
            ram_mib=wanted.ram_mib,
            disk_gib=wanted.disk_gib,
        )


async def change_room(shop: Shop, **totals: int) -> None:
    async with shop.runtime.staff.write() as session:
        await session.execute(
            text(
                "UPDATE platforms SET vms = :vms, vcpu = :vcpu, ram_mib = :ram_mib,"
                " disk_gib = :disk_gib"
            ),
            BIG | totals,
        )


async def stock(shop: Shop) -> int | None:
    left: int | None = (await shop.query("SELECT stock FROM tariffs"))[0].stock
    return left


async def test_reserving_takes_one_of_the_stock_and_the_room(shop: Shop) -> None:
    wanted = await offered(shop, stock=2, vcpu=2, ram_mib=2048, disk_gib=20)
    assert await take(shop, wanted) == "ok"
    assert await stock(shop) == 1
    assert await shop.query(USED) == [(1, 2, 2048, 20)]


async def test_release_gives_both_back(shop: Shop) -> None:
    wanted = await offered(shop, stock=2)
    await take(shop, wanted)
    await give_back(shop, wanted)
    assert await stock(shop) == 2
    assert await shop.query(USED) == [(0, 0, 0, 0)]


async def test_uncounted_stock_never_ends_and_stays_uncounted(shop: Shop) -> None:
    wanted = await offered(shop)
    assert [await take(shop, wanted) for _ in range(3)] == ["ok"] * 3
    await give_back(shop, wanted)
    assert await stock(shop) is None
    assert await shop.query(USED) == [(2, 2, 2048, 20)]


async def test_sold_out_takes_no_room(shop: Shop) -> None:
    wanted = await offered(shop, stock=1)
    assert [await take(shop, wanted) for _ in range(2)] == ["ok", "out_of_stock"]
    assert await shop.query(USED) == [(1, 1, 1024, 10)]


@pytest.mark.parametrize(
    "totals", [{"vms": 1}, {"vcpu": 1}, {"ram_mib": 2047}, {"disk_gib": 19}], ids=str
)
async def test_each_kind_of_room_ends_and_the_stock_is_kept(
    shop: Shop, totals: dict[str, int]
) -> None:
    wanted = await offered(shop, stock=5)
    await change_room(shop, **totals)
    assert [await take(shop, wanted) for _ in range(2)] == ["ok", "no_capacity"]
    assert await stock(shop) == 4


async def test_room_is_used_to_the_last(shop: Shop) -> None:
    wanted = await offered(shop)
    await change_room(shop, vms=2, vcpu=2, ram_mib=2048, disk_gib=20)
    assert [await take(shop, wanted) for _ in range(3)] == ["ok", "ok", "no_capacity"]


async def test_closed_data_centre_is_no_room_and_says_closed(shop: Shop) -> None:
    wanted = await offered(shop)
    operator = await shop.as_staff(Role.OPERATOR)
    path = f"/data-centers/{wanted.data_center_id}"
    assert (await operator.patch(path, json={"open": False})).status_code == 200
    with pytest.raises(ProblemError, match="closed") as refused:
        async with shop.runtime.staff.write() as session:
            await reserve(session, wanted)
    assert refused.value.type.code == "no_capacity"


async def test_crowd_gets_exactly_the_stock(shop: Shop) -> None:
    wanted = await offered(shop, stock=7)
    outcomes = await asyncio.gather(*[take(shop, wanted) for _ in range(15)])
    assert sorted(outcomes) == ["ok"] * 7 + ["out_of_stock"] * 8
    assert await stock(shop) == 0
    assert await shop.query(USED) == [(7, 7, 7168, 70)]


async def test_crowd_gets_exactly_the_room(shop: Shop) -> None:
    wanted = await offered(shop, stock=100)
    await change_room(shop, vms=6)
    outcomes = await asyncio.gather(*[take(shop, wanted) for _ in range(12)])
    assert sorted(outcomes) == ["no_capacity"] * 6 + ["ok"] * 6
    assert await stock(shop) == 94


async def test_data_centres_of_one_platform_share_its_room(shop: Shop) -> None:
    wanted = await offered(shop)
    operator = await shop.as_staff(Role.OPERATOR)
    made = await operator.post("/data-centers", json=data_center(code="fra2"))
    assert (made.status_code, made.json()["vms"]) == (201, {"total": BIG["vms"], "used": 0})
    second = await operator.post("/tariffs", json=tariff(code="vps-2", data_center="fra2"))
    there = replace(
        wanted, tariff_id=UUID(second.json()["id"]), data_center_id=UUID(made.json()["id"])
    )
    await change_room(shop, vms=3)
    outcomes = [await take(shop, one) for one in (wanted, there, wanted, there, wanted)]
    assert outcomes == ["ok"] * 3 + ["no_capacity"] * 2
    shown = (await operator.get("/data-centers")).json()
    assert [place["vms"] for place in shown] == [{"total": 3, "used": 3}] * 2
    await give_back(shop, there)
    assert [await take(shop, wanted), await take(shop, there)] == ["ok", "no_capacity"]


async def test_takers_and_givers_at_once_never_block_each_other_for_good(shop: Shop) -> None:
    wanted = await offered(shop, stock=50)
    for _ in range(10):
        await take(shop, wanted)
    both = [give_back(shop, wanted) for _ in range(10)], [take(shop, wanted) for _ in range(10)]
    await asyncio.gather(*both[0], *both[1])
    assert await stock(shop) == 40
    assert await shop.query(USED) == [(10, 10, 10240, 100)]


async def test_giving_back_more_than_was_taken_is_refused(shop: Shop) -> None:
    wanted = await offered(shop)
    with pytest.raises(IntegrityError, match="ck_platforms_used"):
        await give_back(shop, wanted)


async def test_capacity_of_the_platform_is_recorded_and_reservations_stay(shop: Shop) -> None:
    wanted = await offered(shop)
    await take(shop, wanted)
    told = Capacity(
        vms=9,
        vms_used=8,
        vcpu=7,
        vcpu_used=6,
        ram_mib=5,
        ram_mib_used=4,
        disk_gib=3,
        disk_gib_used=2,
    )
    async with shop.runtime.staff.write() as session:
        await record_capacity(
            session,
            platform=wanted.platform,
            capacity=told,
            capabilities={Capability.SSH_KEYS, Capability.PASSWORD},
        )
    totals = "SELECT vms, vcpu, ram_mib, disk_gib, refreshed_at, capabilities FROM platforms"
    (row,) = await shop.query(totals)
    assert row == (9, 7, 5, 3, shop.clock.now(), ["password", "ssh_keys"])
    assert await shop.query(USED) == [(1, 1, 1024, 10)]


async def test_a_bigger_one_does_not_fit_where_a_smaller_one_does(shop: Shop) -> None:
    wanted = await offered(shop)
    await change_room(shop, ram_mib=1500)
    assert await take(shop, replace(wanted, ram_mib=1501)) == "no_capacity"
    assert await take(shop, wanted) == "ok"
