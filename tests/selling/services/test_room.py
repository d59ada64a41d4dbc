"""Stock and capacity: one counter per platform, and free again only once the VM is gone."""

from typing import Any, cast

from sqlalchemy import text

from selling_service.catalog.actions import REFRESH_CAPACITY
from selling_service.provisioning.drivers.simulated import Behaviour, FaultKind
from selling_service.provisioning.tasks import tasks as provisioning_tasks
from selling_service.services.actions.aftermath import PURGE_JOB
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue
from tests.selling.services.faults import break_calls, finish, mend, work_until, work_until_state
from tests.selling.services.house import Caller, House


async def room_and_stock(house: House, *, vms: int) -> None:
    """Let there be room for so many on the platform, and as many in stock."""
    async with house.runtime.staff.write() as session:
        for statement in ("UPDATE platforms SET vms = :vms", "UPDATE tariffs SET stock = :vms"):
            await session.execute(text(statement), {"vms": vms})


async def left(house: House) -> tuple[int, int]:
    """How much room is left on the platform, and how much stock."""
    async with house.runtime.staff.read() as session:
        statement = text("SELECT vms - vms_used AS vms, stock FROM platforms, tariffs")
        row = (await session.execute(statement)).one()
    return row.vms, row.stock


async def make_service(house: House, partner: Caller) -> str:
    body = house.order()
    await partner.send("/services", body)
    await house.settle(partner.id)
    return str(body["service_ref"])


async def purge_again(house: House, ref: str) -> None:
    """Have the VM deleted once more, as if that job had been left behind."""
    async with house.runtime.staff.write() as session:
        statement = text("SELECT id, partner_id FROM services WHERE service_ref = :ref")
        row = (await session.execute(statement, {"ref": ref})).one()
        await enqueue(
            session,
            PURGE_JOB,
            payload={"service_id": row.id},
            lane=row.id,
            tenant_id=row.partner_id,
        )


async def code_of_an_order(house: House, partner: Caller) -> Any:
    return (await partner.send("/services", house.order())).json().get("code")


async def test_room_of_a_deleted_service_is_free_once_its_vm_is_gone(
    house: House, partner: Caller
) -> None:
    await room_and_stock(house, vms=1)
    ref = await make_service(house, partner)
    await partner.send(f"/services/{ref}/terminate", {})
    await house.settle(partner.id)
    await break_calls(house, "delete_vm", FaultKind.UNAVAILABLE)
    house.clock.advance(days=15)

    async def over() -> bool:
        tried = await house.count("jobs", "kind = 'service_purge' AND last_error IS NOT NULL")
        return bool(tried) and (await partner.service(ref))["state"] == "deleted"

    await work_until(house, over)
    assert await left(house) == (0, 0)
    assert await code_of_an_order(house, partner) == "out_of_stock"
    await mend(house)
    await finish(house)
    assert await left(house) == (1, 1)
    assert await code_of_an_order(house, partner) is None


async def test_room_is_given_back_once_however_often_the_vm_is_deleted(
    house: House, partner: Caller
) -> None:
    await room_and_stock(house, vms=5)
    gone, _kept = await make_service(house, partner), await make_service(house, partner)
    await partner.send(f"/services/{gone}/terminate", {})
    await house.settle(partner.id)
    house.clock.advance(days=15)
    await house.settle(partner.id)
    for _ in range(2):
        assert await left(house) == (4, 4)
        await purge_again(house, gone)
        await house.settle(partner.id)
    assert await house.count("jobs", "kind = 'service_purge'") == 0
    assert await left(house) == (4, 4)


async def test_room_of_a_cancelled_order_is_free_once_what_was_built_is_gone(
    house: House, partner: Caller
) -> None:
    await room_and_stock(house, vms=2)
    await break_calls(house, "create_vm", FaultKind.ANSWER_LOST)
    order = await partner.send("/services", house.order())
    await work_until_state(house, partner, order, "waiting")
    cancelled = await partner.http.post(f"/commands/{order.json()['command_id']}/cancel")
    assert cancelled.status_code == 200
    assert await left(house) == (1, 1)
    await mend(house)
    await finish(house)
    assert await left(house) == (2, 2)


async def test_room_of_an_order_that_nobody_began_is_free_at_once(
    house: House, partner: Caller
) -> None:
    await room_and_stock(house, vms=2)
    order = await partner.send("/services", house.order())
    assert await left(house) == (1, 1)
    await partner.http.post(f"/commands/{order.json()['command_id']}/cancel")
    assert await left(house) == (2, 2)
    assert await house.count("jobs", "kind = 'service_purge'") == 0


async def test_data_centres_of_one_platform_are_refreshed_as_one(
    house: House, partner: Caller
) -> None:
    await house.platform.set_behaviour(Behaviour(vms=1))
    async with house.runtime.staff.write() as session:
        await session.execute(
            text(
                "INSERT INTO data_centers (id, code, title, platform, open)"
                " VALUES (:id, 'dc2', 'Data centre 2', 'simulated', true)"
            ),
            {"id": new_id()},
        )
    (refresh,) = [
        task
        for task in provisioning_tasks(house.runtime, house.platforms)
        if task.kind == REFRESH_CAPACITY
    ]
    record = await refresh.work(cast("Any", None))
    assert record is not None
    async with house.runtime.app.write() as session:
        await record(session)
    assert await code_of_an_order(house, partner) is None
    async with house.runtime.staff.write() as session:
        await session.execute(
            text(
                "UPDATE tariffs SET data_center_id ="
                " (SELECT id FROM data_centers WHERE code = 'dc2')"
            )
        )
    assert await code_of_an_order(house, partner) == "no_capacity"
