"""What the books say of VMs, and what their platform shows."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select, text

from selling_service.database import Job
from selling_service.provisioning.drivers.simulated import Behaviour, Fault, FaultKind
from selling_service.provisioning.platform import GuestContent, Power, VMSize
from selling_service.reconciliation.tasks import tasks
from shared.kit.ids import new_id
from tests.selling.reconciliation.comparing import compare, decide, found, on_vm
from tests.selling.services.faults import finish
from tests.selling.services.house import Caller, House, vm_of

SIZE = VMSize(vcpu=1, ram_mib=512, disk_gib=10, ipv4=1)


async def kinds(desk: httpx.AsyncClient, *, state: str = "open") -> list[str]:
    return sorted(row["kind"] for row in await found(desk, state=state))


async def test_nothing_differs_after_an_ordinary_life(
    house: House, partner: Caller, ref: str, desk: httpx.AsyncClient
) -> None:
    for verb in ("suspend", "resume", "stop"):
        await partner.send(f"/services/{ref}/{verb}", {})
    await finish(house)
    await compare(house)
    assert await kinds(desk) == []
    report = (await desk.get("/reconciliation/report")).json()
    assert report["run"]["state"] == "done"
    assert report["run"]["counts"]["vms"] == report["run"]["counts"]["services"] == 1
    assert "Nothing differs." in report["text"]


async def test_vm_that_runs_though_its_service_is_suspended_is_stopped_without_asking(
    house: House, partner: Caller, ref: str, desk: httpx.AsyncClient
) -> None:
    await partner.send(f"/services/{ref}/suspend", {})
    await finish(house)
    await on_vm(house, "locked = false, power = 'running', wanted = 'running'")
    await compare(house)
    (row,) = await found(desk)
    assert (row["kind"], row["safe"]) == ("vm_runs_though_stopped", True)
    assert row["evidence"]["platform"]["power"] == "running"
    assert row["evidence"]["books"]["suspended_by"] == ["partner"]
    await finish(house)
    vm = await vm_of(house, partner, ref)
    assert (vm.power, vm.locked) == (Power.STOPPED, True)
    await compare(house)
    assert await kinds(desk) == []


async def test_vm_that_stands_still_waits_for_people_and_is_never_started_alone(
    house: House, partner: Caller, ref: str, desk: httpx.AsyncClient
) -> None:
    await on_vm(house, "power = 'stopped'")
    await compare(house)
    (row,) = await found(desk)
    assert (row["kind"], row["safe"], row["ways"]) == (
        "vm_power",
        False,
        ["adopt", "undo", "ignore"],
    )
    await finish(house)
    assert (await vm_of(house, partner, ref)).power is Power.STOPPED
    (item,) = (await desk.get("/desk")).json()["items"]
    assert (item["kind"], item["id"], item["what"]) == ("difference", row["id"], "vm_power")
    assert (item["detail"], item["actions"]) == (row["repair"], ["hand-over"])
    assert item["partner_id"] == str(partner.id)
    path = f"/reconciliation/differences/{row['id']}/ignore"
    assert (await desk.post(path, json={"reason": "Known."})).status_code == 200
    assert (await desk.get("/desk")).json()["items"] == []


@pytest.mark.parametrize("way", ["adopt", "undo"])
async def test_desk_adopts_another_power_or_undoes_it(
    house: House, partner: Caller, ref: str, desk: httpx.AsyncClient, way: str
) -> None:
    power = {"adopt": "stopped", "undo": "running"}[way]
    await on_vm(house, "power = 'stopped', wanted = 'stopped'")
    await compare(house)
    (row,) = await found(desk)
    answer = await decide(desk, row, way)
    assert answer.status_code == 200, answer.text
    assert answer.json()["decided_by"].startswith("staff:")
    again = await decide(desk, row, way)
    assert again.json()["code"] == "not_decidable"
    await finish(house)
    await compare(house)
    service = await partner.service(ref)
    assert (service["power"], service["wanted_power"]) == (power, power)
    assert (await vm_of(house, partner, ref)).power == power
    assert await kinds(desk) == []
    audit = (await desk.get("/audit", params={"object_id": row["id"]})).json()["items"]
    assert [entry["action"] for entry in audit] == [f"difference.{way}"]


async def test_since_stays_true_over_runs_and_what_is_gone_is_told(
    house: House, ref: str, desk: httpx.AsyncClient
) -> None:
    await on_vm(house, "power = 'stopped'")
    began = house.clock.now()
    for _ in range(3):
        await compare(house)
        house.clock.advance(minutes=20)
    (row,) = await found(desk)
    assert row["since"] == began.isoformat().replace("+00:00", "Z")
    assert row["last_seen_at"] > row["since"]
    await on_vm(house, "power = 'running'")
    await compare(house)
    assert await kinds(desk) == []
    (gone,) = await found(desk, state="gone")
    assert gone["id"] == row["id"]
    assert gone["gone_at"] is not None


async def test_ignored_difference_stays_in_its_list_with_who_and_why(
    house: House, ref: str, desk: httpx.AsyncClient
) -> None:
    await on_vm(house, "power = 'stopped'")
    await compare(house)
    (row,) = await found(desk)
    assert (await decide(desk, row, "ignore")).status_code == 200
    await compare(house)
    assert await kinds(desk) == []
    (ignored,) = await found(desk, state="ignored")
    assert (ignored["id"], ignored["reason"]) == (row["id"], "Agreed by telephone.")


async def add_stranger(house: House, *, mark: str) -> dict[str, UUID]:
    names = {"owner_id": new_id(), "vm_id": new_id()}
    await house.platform.ensure_user(owner_id=names["owner_id"])
    content = GuestContent(hostname="stranger.example.com")
    await house.platform.create_vm(
        owner_id=names["owner_id"],
        vm_id=names["vm_id"],
        size=SIZE,
        image="tandem-guest",
        content=content,
        fence=5,
        mark=mark,
    )
    return names


async def run_strays(house: House) -> None:
    """Do the jobs of this room that are due."""
    (stray,) = [t for t in tasks(house.runtime, house.platforms) if t.kind == "delete_stray_vm"]
    async with house.runtime.staff.write() as session:
        job = await take(session, stray.kind)
    await stray.work(job)


async def take(session: Any, kind: str) -> Any:
    row = (await session.scalars(select(Job).where(Job.kind == kind))).one()
    await session.delete(row)
    return row


async def test_stray_vm_with_our_mark_is_deleted_by_the_desk_when_the_grace_is_over(
    house: House, ref: str, desk: httpx.AsyncClient
) -> None:
    stray = await add_stranger(house, mark=f"tandem:{new_id()}:{new_id()}")
    await compare(house)
    (row,) = await found(desk)
    assert (row["kind"], row["safe"]) == ("vm_of_no_service", False)
    early = await decide(desk, row, "undo")
    assert early.json()["code"] == "not_decidable"
    house.clock.advance(hours=1.2)
    assert (await decide(desk, row, "undo")).status_code == 200
    await run_strays(house)
    await compare(house)
    assert await kinds(desk) == []
    assert await house.platform.list_vms(owner_id=stray["owner_id"]) == []


async def test_vm_without_our_mark_can_only_be_ignored(
    house: House, ref: str, desk: httpx.AsyncClient
) -> None:
    await add_stranger(house, mark="somebody else's")
    await compare(house)
    (row,) = await found(desk)
    assert row["ways"] == ["ignore"]
    house.clock.advance(hours=1.2)
    assert (await decide(desk, row, "undo")).json()["code"] == "not_decidable"


async def test_lost_vm_ends_its_service_only_when_the_desk_says_so(
    house: House, partner: Caller, ref: str, desk: httpx.AsyncClient
) -> None:
    await on_vm(house, "deleted = true, power = 'stopped', wanted = 'stopped'")
    await compare(house)
    (row,) = await found(desk)
    assert (row["kind"], row["ways"]) == ("vm_missing", ["adopt", "ignore"])
    assert (await partner.service(ref))["state"] == "active"
    assert (await decide(desk, row, "adopt")).status_code == 200
    await finish(house)
    assert (await partner.service(ref))["state"] == "terminated"


async def test_nothing_is_gone_while_the_platform_is_away(
    house: House, ref: str, desk: httpx.AsyncClient
) -> None:
    await on_vm(house, "power = 'stopped'")
    await compare(house)
    fault = Fault(kind=FaultKind.UNAVAILABLE, times=None)
    await house.platform.set_behaviour(Behaviour(faults={"scan_vms": fault}))
    await compare(house)
    assert await kinds(desk) == ["vm_power"]
    report = (await desk.get("/reconciliation/report")).json()
    assert report["run"]["state"] == "incomplete"
    assert "platform simulated" in report["run"]["problem"]


async def test_books_that_contradict_themselves_are_shown_and_left_alone(
    house: House, partner: Caller, ref: str, desk: httpx.AsyncClient
) -> None:
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE balances SET balance = balance + 7"))
    await compare(house)
    (row,) = await found(desk)
    assert (row["kind"], row["safe"], row["ways"]) == ("books_balance", False, ["ignore"])
    assert int(row["evidence"]["ours"]) - int(row["evidence"]["theirs"]) == 7
    assert row["refs"]["partner"] == str(partner.id)
