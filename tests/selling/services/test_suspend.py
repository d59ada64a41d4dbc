"""Suspensions: by actor, standing from acceptance, stopping the VM until all are lifted."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from selling_service.provisioning.platform import Power, VMLocked
from selling_service.services import queries
from selling_service.services.actions import suspend as actions
from selling_service.services.actions.operations import Wish
from shared.contract.basics import Actor, SuspensionReason
from shared.kit.problems import ProblemError
from tests.selling.services.house import Caller, House, vm_of


async def by_staff(house: House, ref: str, verb: str, actor: Actor) -> None:
    """What the provider's side (staff, clock, ledger) does."""
    async with house.runtime.staff.write() as session:
        service = await queries.find_service(session, None, service_ref=UUID(ref), lock=True)
        assert service is not None
        wish = Wish(actor=actor)
        if verb == "suspend":
            reason = SuspensionReason.OTHER
            await actions.suspend(session, service, actor=actor, reason=reason, wish=wish)
        else:
            await actions.resume(session, service, actor=actor, wish=wish)


async def suspend(partner: Caller, ref: str, actor: str) -> Any:
    return await partner.send(f"/services/{ref}/suspend", {"actor": actor})


async def resume(partner: Caller, ref: str, actor: str) -> Any:
    return await partner.send(f"/services/{ref}/resume", {"actor": actor})


async def assert_locked(house: House, partner: Caller, ref: str) -> None:
    vm = await vm_of(house, partner, ref)
    assert (vm.power, vm.locked) == (Power.STOPPED, True)
    with pytest.raises(VMLocked):
        await house.platform.start_vm(owner_id=vm.owner_id, vm_id=vm.vm_id, fence=vm.fence)
    await house.platform.restart_node()
    assert (await vm_of(house, partner, ref)).power is Power.STOPPED


@pytest.mark.parametrize("actor", ["client", "partner"])
async def test_suspend_stops_and_locks_and_resume_starts_again(
    house: House, partner: Caller, ref: str, actor: str
) -> None:
    await suspend(partner, ref, actor)
    assert [s["actor"] for s in (await partner.service(ref))["suspensions"]] == [actor]
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert (service["state"], service["power"]) == ("suspended", "stopped")
    await assert_locked(house, partner, ref)
    await resume(partner, ref, actor)
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert (service["state"], service["power"], service["suspensions"]) == ("active", "running", [])
    assert (await vm_of(house, partner, ref)).power is Power.RUNNING


@pytest.mark.parametrize("verb", ["start", "restart"])
async def test_suspended_service_cannot_be_started(
    house: House, partner: Caller, ref: str, verb: str
) -> None:
    await suspend(partner, ref, "client")
    await house.settle(partner.id)
    answer = await partner.send(f"/services/{ref}/{verb}", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "blocked_by_suspensions")
    assert [item["actor"] for item in answer.json()["blockers"]] == ["client"]
    await assert_locked(house, partner, ref)


OTHERS = [
    ("client", Actor.PARTNER),
    ("client", Actor.PROVIDER),
    ("client", Actor.ABUSE),
    ("client", Actor.EXPIRED),
    ("client", Actor.PARTNER_DEBT),
    ("partner", Actor.CLIENT),
    ("partner", Actor.PROVIDER),
    ("partner", Actor.ABUSE),
    ("partner", Actor.EXPIRED),
    ("partner", Actor.PARTNER_DEBT),
]


@pytest.mark.parametrize(("mine", "theirs"), OTHERS)
async def test_nobody_lifts_anothers_suspension(
    house: House, partner: Caller, ref: str, mine: str, theirs: Actor
) -> None:
    await by_staff(house, ref, "suspend", theirs)
    refused = await resume(partner, ref, mine)
    assert (refused.status_code, refused.json()["code"]) == (409, "blocked_by_suspensions")
    assert refused.json()["outcome"] == "refused"
    assert [item["actor"] for item in refused.json()["blockers"]] == [theirs]

    await suspend(partner, ref, mine)
    lifted = await resume(partner, ref, mine)
    assert lifted.status_code == 202
    assert lifted.json()["state"] == "succeeded"
    assert lifted.json()["result"]["running"] is False
    assert [item["actor"] for item in lifted.json()["result"]["blockers"]] == [theirs]
    await house.settle(partner.id)
    await assert_locked(house, partner, ref)
    await by_staff(house, ref, "resume", theirs)
    await house.settle(partner.id)
    assert (await partner.service(ref))["power"] == "running"


@pytest.mark.parametrize("actor", ["provider", "abuse", "expired", "partner_debt", "staff"])
async def test_partner_cannot_name_actors_that_are_not_its_own(
    partner: Caller, ref: str, actor: str
) -> None:
    for answer in (await suspend(partner, ref, actor), await resume(partner, ref, actor)):
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_provider_cannot_lift_the_partners_suspension(
    house: House, partner: Caller, ref: str
) -> None:
    await suspend(partner, ref, "partner")
    with pytest.raises(ProblemError) as refused:
        await by_staff(house, ref, "resume", Actor.PROVIDER)
    assert refused.value.type.code == "blocked_by_suspensions"


async def test_two_actors_at_once_both_stand(house: House, partner: Caller, ref: str) -> None:
    answers = await asyncio.gather(
        suspend(partner, ref, "client"), suspend(partner, ref, "partner")
    )
    assert {answer.status_code for answer in answers} == {202}
    await house.settle(partner.id)
    actors = {item["actor"] for item in (await partner.service(ref))["suspensions"]}
    assert actors == {"client", "partner"}
    await resume(partner, ref, "client")
    await house.settle(partner.id)
    await assert_locked(house, partner, ref)


async def test_suspending_twice_is_one_suspension(house: House, partner: Caller, ref: str) -> None:
    await suspend(partner, ref, "client")
    await house.settle(partner.id)
    second = await suspend(partner, ref, "client")
    assert (second.status_code, second.json()["state"]) == (202, "succeeded")
    assert await house.count("suspensions") == 1


async def test_stopped_vm_stays_stopped_after_resume(
    house: House, partner: Caller, ref: str
) -> None:
    await partner.send(f"/services/{ref}/stop", {})
    await suspend(partner, ref, "partner")
    await house.settle(partner.id)
    await resume(partner, ref, "partner")
    await house.settle(partner.id)
    service = await partner.service(ref)
    assert (service["state"], service["power"]) == ("active", "stopped")


async def test_stop_while_suspended_is_kept_for_the_resume(
    house: House, partner: Caller, ref: str
) -> None:
    await suspend(partner, ref, "partner")
    await house.settle(partner.id)
    stopped = await partner.send(f"/services/{ref}/stop", {})
    assert stopped.json()["state"] == "succeeded"
    await resume(partner, ref, "partner")
    await house.settle(partner.id)
    assert (await partner.service(ref))["power"] == "stopped"


async def test_suspend_overtakes_queued_starts(house: House, partner: Caller, ref: str) -> None:
    await partner.send(f"/services/{ref}/stop", {})
    started = await partner.send(f"/services/{ref}/start", {})
    renamed = await partner.send(f"/services/{ref}/rename", {"hostname": "other.example.com"})
    await suspend(partner, ref, "client")
    assert (await partner.operation(started))["state"] == "superseded"
    await house.settle(partner.id)
    await assert_locked(house, partner, ref)
    assert (await partner.operation(renamed))["state"] == "succeeded"
    finished = await _order_of_ends(house)
    assert finished.index("suspend") < finished.index("rename")


async def _order_of_ends(house: House) -> list[str]:
    async with house.runtime.staff.read() as session:
        rows = await session.execute(
            text(
                "SELECT body -> 'operation' ->> 'kind' FROM events "
                "WHERE body -> 'operation' ->> 'state' = 'succeeded' ORDER BY number"
            )
        )
        return [row[0] for row in rows]


async def test_service_suspended_while_ordered_is_built_locked(
    house: House, partner: Caller
) -> None:
    body = house.order()
    await partner.send("/services", body)
    await suspend(partner, body["service_ref"], "client")
    await house.settle(partner.id)
    service = await partner.service(body["service_ref"])
    assert (service["state"], service["power"]) == ("suspended", "stopped")
    assert service["paid_until"] == "2026-04-01T12:00:00Z"
    await assert_locked(house, partner, body["service_ref"])
    await resume(partner, body["service_ref"], "client")
    await house.settle(partner.id)
    assert (await partner.service(body["service_ref"]))["power"] == "running"


async def test_suspend_that_arrives_while_the_vm_is_being_built_stops_it(
    house: House, partner: Caller
) -> None:
    await house.platform.set_behaviour(Behaviour(delay_ms=400))
    body = house.order()
    await partner.send("/services", body)
    async with house.working():
        while (await partner.service(body["service_ref"]))["state"] != "provisioning":
            await asyncio.sleep(0.02)
        await suspend(partner, body["service_ref"], "partner")
        await house.wait(partner.id)
    service = await partner.service(body["service_ref"])
    assert (service["state"], service["power"]) == ("suspended", "stopped")
    await assert_locked(house, partner, body["service_ref"])


async def test_suspend_holds_while_the_platform_is_away_and_stops_it_when_back(
    house: House, partner: Caller, ref: str
) -> None:
    away = Fault(kind=FaultKind.UNAVAILABLE, times=2)
    await house.platform.set_behaviour(Behaviour(faults={"lock_vm": away}))
    answer = await suspend(partner, ref, "partner")
    async with house.working():
        while (await partner.operation(answer))["state"] != "succeeded":
            house.clock.advance(seconds=1)
            await asyncio.sleep(0.05)
    await assert_locked(house, partner, ref)


async def test_many_wishes_at_once_end_as_the_rows_say(
    house: House, partner: Caller, ref: str
) -> None:
    async with house.working(workers=3):
        for actor in ("client", "partner"):
            wishes = [suspend(partner, ref, actor) for _ in range(3)]
            wishes += [resume(partner, ref, actor) for _ in range(3)]
            wishes += [partner.send(f"/services/{ref}/start", {}) for _ in range(2)]
            await asyncio.gather(*wishes)
        await suspend(partner, ref, "client")
        await house.wait(partner.id)
    await assert_locked(house, partner, ref)
    assert (await partner.service(ref))["state"] == "suspended"


async def test_unknown_service_is_404_and_refused(partner: Caller) -> None:
    answer = await suspend(partner, str(uuid4()), "client")
    assert (answer.status_code, answer.json()["outcome"]) == (404, "refused")
