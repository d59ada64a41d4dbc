"""Workers that stand still in the middle of an operation: what happens meanwhile is not undone."""

from sqlalchemy import text

from selling_service.provisioning.platform import Power
from tests.properties.crew import Crew
from tests.selling.services.house import Caller, House, vm_of


async def sold(house: House, partner: Caller) -> str:
    body = house.order()
    await partner.send("/services", body)
    await house.settle(partner.id)
    return str(body["service_ref"])


async def test_running_start_ends_with_a_look_at_the_suspensions(
    house: House, partner: Caller
) -> None:
    ref = await sold(house, partner)
    await partner.send(f"/services/{ref}/stop", {})
    await house.settle(partner.id)
    crew = Crew(house)
    await partner.send(f"/services/{ref}/start", {})
    assert await crew.freeze(calls=2, before=True)
    await partner.send(f"/services/{ref}/suspend", {})
    await crew.thaw(0)
    vm = await vm_of(house, partner, ref)
    assert (vm.power, vm.locked) == (Power.STOPPED, True)
    await crew.rest()
    assert (await partner.service(ref))["state"] == "suspended"


async def test_start_that_froze_is_refused_once_another_worker_has_suspended(
    house: House, partner: Caller
) -> None:
    ref = await sold(house, partner)
    crew = Crew(house)
    started = await partner.send(f"/services/{ref}/restart", {})
    assert await crew.freeze(calls=1, before=True)
    await crew.sweep()
    await partner.send(f"/services/{ref}/suspend", {})
    assert await crew.work() == 1
    await crew.thaw(0)
    vm = await vm_of(house, partner, ref)
    assert (vm.power, vm.locked) == (Power.STOPPED, True)
    await crew.rest()
    assert (await partner.operation(started))["state"] == "superseded"


async def test_job_that_was_taken_away_before_it_began_begins_nothing(
    house: House, partner: Caller
) -> None:
    ref = await sold(house, partner)
    crew = Crew(house)
    stopped = await partner.send(f"/services/{ref}/stop", {})
    (job,) = await crew.claim()
    await crew.sweep()
    before = await _fence(house, ref)
    await crew.run(job)
    assert await _fence(house, ref) == before
    assert (await partner.operation(stopped))["attempts"] == 0
    await crew.rest()
    assert (await partner.operation(stopped))["state"] == "succeeded"


async def _fence(house: House, ref: str) -> int:
    async with house.runtime.staff.read() as session:
        statement = text("SELECT fence FROM services WHERE service_ref = :ref")
        return int((await session.execute(statement, {"ref": ref})).scalar_one())
