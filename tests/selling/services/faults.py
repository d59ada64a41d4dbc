"""Platforms that stumble under a test's hands, and workers that go on until all is settled."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from sqlalchemy import text

from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from selling_service.provisioning.platform import Power
from tests.selling.services.house import Caller, House, vm_of, wait_until


async def break_calls(house: House, call: str, kind: FaultKind, times: int | None = None) -> None:
    await house.platform.set_behaviour(Behaviour(faults={call: Fault(kind=kind, times=times)}))


async def mend(house: House) -> None:
    await house.platform.set_behaviour(Behaviour())


async def work_until(house: House, condition: Callable[[], Awaitable[bool]]) -> None:
    """Work while the clock runs, so that what waits is tried again."""

    async def ticking() -> bool:
        house.clock.advance(seconds=1)
        return await condition()

    async with house.working():
        await wait_until(ticking)


async def work_until_state(house: House, partner: Caller, answer: Any, *states: str) -> None:
    async def there() -> bool:
        return (await partner.operation(answer))["state"] in states

    await work_until(house, there)


async def finish(house: House) -> None:
    """Work until no operation is open and nothing is left to do in any service's line."""

    async def quiet() -> bool:
        left = await house.count("operations", "finished_at IS NULL")
        return not left and not await house.count("jobs", "lane IS NOT NULL AND state <> 'dead'")

    await work_until(house, quiet)


async def finish_but(house: House, stuck: httpx.Response) -> None:
    """As `finish`, with this operation left as it is."""
    others = f"finished_at IS NULL AND id <> '{stuck.json()['id']}'"

    async def quiet() -> bool:
        left = await house.count("operations", others)
        return not left and not await house.count("jobs", "lane IS NOT NULL AND state <> 'dead'")

    await work_until(house, quiet)


async def give_up(house: House) -> None:
    """What is open has used up its attempts: it waits for staff."""
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE jobs SET state = 'dead' WHERE kind = 'operation'"))


async def facts(partner: Caller, ref: str) -> tuple[str, str, str]:
    service = await partner.service(ref)
    return service["state"], service["power"], service["wanted_power"]


async def vm_facts(house: House, partner: Caller, ref: str) -> tuple[Power, bool]:
    vm = await vm_of(house, partner, ref)
    return vm.power, vm.locked
