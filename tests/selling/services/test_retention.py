"""What a client wrote goes when its time is over; what is younger, lives or is money stays."""

from typing import Any

import pytest
from sqlalchemy import text

from selling_service.desk.tasks import tasks as desk_tasks
from selling_service.services.tasks import tasks
from tests.job import job_of
from tests.selling.services.house import Caller, House

MONEY = ("balances", "holds", "entries", "terms", "operations", "received_commands", "events")
HOST, CONTENT = "planted.example.com", "ssh-ed25519 " + "A" * 68 + " planted"


async def run(house: House, kind: str) -> None:
    """Let one task do its work."""
    known = [*tasks(house.runtime, house.platforms), *desk_tasks(house.runtime)]
    (task,) = (task for task in known if task.kind == kind)
    assert task.every is not None
    await task.work(job_of(kind))


async def order(house: House, partner: Caller) -> str:
    body = house.order(options={"hostname": HOST})
    assert (await partner.send("/services", body)).status_code == 202
    await house.settle(partner.id)
    return str(body["service_ref"])


async def end(house: House, partner: Caller, ref: str) -> None:
    await partner.send(f"/services/{ref}/terminate", {})
    await house.settle(partner.id)


async def forgotten(house: House, ref: str) -> bool:
    """Whether nothing is left of what the client wrote; fails where it is half gone."""
    statement = text("SELECT * FROM services WHERE service_ref = :ref")
    async with house.runtime.staff.read() as session:
        row = (await session.execute(statement, {"ref": ref})).one()
        name = session.vault.decrypt_text(row.hostname)
    gone = row.forgotten_at is not None
    assert (name, row.content) == ("erased", None) if gone else name == HOST
    return gone


async def rows(house: House, *tables: str) -> dict[str, list[Any]]:
    async with house.runtime.staff.read() as session:
        return {
            table: sorted(map(repr, (await session.execute(text(f"SELECT * FROM {table}"))).all()))  # noqa: S608
            for table in tables
        }


async def test_what_was_written_into_a_service_goes_thirty_days_after_its_vm(
    house: House, partner: Caller
) -> None:
    ended, terminated, alive = [await order(house, partner) for _ in range(3)]
    await end(house, partner, ended)
    house.clock.advance(days=15)
    await house.settle(partner.id)
    assert (await partner.service(ended))["state"] == "deleted"
    house.clock.advance(days=28, hours=23)
    await end(house, partner, terminated)
    await run(house, "forget_answers")
    assert not await forgotten(house, ended)
    house.clock.advance(hours=2)
    before = await rows(house, *MONEY)
    await run(house, "forget_answers")
    assert await forgotten(house, ended)
    assert not await forgotten(house, terminated), "it may be restored"
    assert not await forgotten(house, alive)
    assert await rows(house, *MONEY) == before
    shown = await partner.service(ended)
    assert (shown["state"], shown["service_ref"]) == ("deleted", ended)


async def test_service_whose_vm_may_still_stand_keeps_its_name(
    house: House, partner: Caller, ref: str
) -> None:
    _ = ref
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE services SET state = 'failed'"))
    house.clock.advance(days=400)
    await run(house, "forget_answers")
    assert await house.count("services", "forgotten_at IS NULL AND holds_room") == 1
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE services SET holds_room = false"))
    await run(house, "forget_answers")
    assert await house.count("services", "forgotten_at IS NOT NULL") == 1


@pytest.mark.parametrize(("days", "left"), [(6.9, 0), (7.1, 1)])
async def test_answers_are_kept_for_a_week(
    house: House, partner: Caller, ref: str, days: float, left: int
) -> None:
    await partner.send(f"/services/{ref}/stop", {})
    await house.settle(partner.id)
    house.clock.advance(days=days)
    await partner.send(f"/services/{ref}/start", {})
    await house.settle(partner.id)
    before = await rows(house, "operations", "entries", "events")
    await run(house, "forget_answers")
    assert await house.count("received_commands") == 3
    assert await house.count("received_commands", "answer IS NULL") == 2 * left
    assert await rows(house, "operations", "entries", "events") == before


async def test_attempts_are_kept_for_ninety_days(house: House, partner: Caller, ref: str) -> None:
    house.clock.advance(days=1)
    await partner.send(f"/services/{ref}/stop", {})
    await house.settle(partner.id)
    kept = await house.count("operation_attempts", "kind = 'stop'")
    assert await house.count("operation_attempts") > kept > 0
    # Not settled on the way: the clock of the term would make attempts of its own.
    house.clock.advance(days=88, hours=23)
    everything = await house.count("operation_attempts")
    await run(house, "prune_attempts")
    assert await house.count("operation_attempts") == everything
    house.clock.advance(hours=2)
    before = await rows(house, *MONEY)
    await run(house, "prune_attempts")
    assert await house.count("operation_attempts") == kept
    assert await rows(house, *MONEY) == before
