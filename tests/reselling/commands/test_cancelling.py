"""Deadlines and wishes to cancel: money comes back after a refusal, a failure or a burn, only."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest

from reselling_service.commands.actions import CANCEL_JOB, LOOK_UP_JOB, cancel_unsent, wish_job
from reselling_service.commands.models import Command
from reselling_service.commands.rules import DEADLINES, LOOK_UP_AFTER, WATCH_EVERY
from reselling_service.commands.tasks import tasks
from shared.contract.basics import CommandKind
from shared.kit.ids import new_id
from tests.reselling.sellers.fake import Fault
from tests.reselling.sellers.rig import MINUTE, Rig, until

LATE = timedelta(hours=25)


def test_deadlines_are_those_of_the_contract() -> None:
    endless = {kind for kind, limit in DEADLINES.items() if limit is None}
    assert endless == {"suspend", "resume", "terminate", "renew", "restore"}
    assert DEADLINES[CommandKind.ORDER] == timedelta(hours=24)
    assert DEADLINES[CommandKind.START] == timedelta(minutes=15)


async def test_never_attempted_is_cancelled_at_home(rig: Rig) -> None:
    command = await rig.send(hold=500)
    rig.clock.advance(LATE)
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "cancelled")
    assert rig.fake.requests == []
    assert await rig.hold_state(command.hold_id) == "released"


async def test_waiting_behind_another_is_cancelled_at_home_at_its_deadline(rig: Rig) -> None:
    service_id, ref = new_id(), uuid4()
    first = await rig.send(CommandKind.SUSPEND, service_id=service_id, service_ref=ref)
    second = await rig.send(CommandKind.START, service_id=service_id, service_ref=ref, hold=500)
    rig.fake.key = "expired_key_0123456789"
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(first.id, "unanswered")
        rig.clock.advance(timedelta(minutes=16))
        await rig.reached(second.id, "cancelled")
    assert rig.fake.sent(second.path) == []
    assert (await rig.command(first.id)).state == "unanswered", "a suspend has no deadline"


async def test_unanswered_past_its_deadline_is_asked_to_be_cancelled_not_sent(rig: Rig) -> None:
    command = await rig.send(hold=500)
    rig.fake.faults.extend([Fault("500")] * 2)
    async with rig.working(tasks(rig.runtime)):
        await until(lambda: _sent(rig, command.path))
    rig.fake.faults.clear()
    rig.fake.requests.clear()
    rig.clock.advance(timedelta(minutes=16))
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "cancelled")
    assert rig.fake.sent(command.path) == []
    assert rig.fake.cancelled == {str(command.id)}
    assert await rig.hold_state(command.hold_id) == "released"


async def test_money_stays_held_while_the_cancelling_is_unanswered(rig: Rig) -> None:
    command = await _accepted(rig)
    rig.fake.faults.extend([Fault("drop")] * 3)
    rig.clock.advance(timedelta(minutes=16))
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "cancelling")
        assert await rig.hold_state(command.hold_id) == "open"
        await rig.reached(command.id, "cancelled")
    assert await rig.hold_state(command.hold_id) == "released"
    spoken = [each.detail for each in await rig.attempts(command.id) if each.outcome == "nothing"]
    assert len(spoken) == 3


async def test_cancelled_at_the_seller_with_the_answer_lost_is_found_out(rig: Rig) -> None:
    command = await _accepted(rig)
    rig.fake.faults.append(Fault("drop", acts=True))
    rig.clock.advance(timedelta(minutes=16))
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "cancelled")
    assert await rig.hold_state(command.hold_id) == "released"


async def test_running_at_the_seller_goes_on_waiting_for_its_event(rig: Rig) -> None:
    command = await _accepted(rig)
    rig.fake.uncancellable.add(str(command.id))
    rig.clock.advance(timedelta(minutes=16))

    async def asked() -> bool:
        row = await rig.command(command.id)
        return row.deadline_at is None and row.state == "accepted"

    async with rig.working(tasks(rig.runtime)):
        await until(asked)
        assert await rig.hold_state(command.hold_id) == "open"
        rig.fake.operations[str(command.id)]["state"] = "succeeded"
        rig.clock.advance(LOOK_UP_AFTER * 2)
        async with rig.runtime.staff.write() as session:
            await wish_job(session, LOOK_UP_JOB, await session.get_one(Command, command.id))
        await rig.reached(command.id, "succeeded")
    assert await rig.hold_state(command.hold_id) == "captured"


async def test_late_arrival_of_a_burned_command_ends_it(rig: Rig) -> None:
    command = await rig.send(hold=500)
    rig.fake.cancelled.add(str(command.id))
    async with rig.working(tasks(rig.runtime)):
        row = await rig.reached(command.id, "cancelled", "refused", "accepted")
    assert row.state == "cancelled"
    assert await rig.hold_state(command.hold_id) == "released"
    assert not rig.fake.effects


async def test_staff_cancels_one_that_was_accepted(rig: Rig) -> None:
    command = await _accepted(rig)
    async with rig.runtime.staff.write() as session:
        await wish_job(session, CANCEL_JOB, await session.get_one(Command, command.id))
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "cancelled")
    assert await rig.hold_state(command.hold_id) == "released"


async def test_attempted_command_is_never_cancelled_at_home(rig: Rig) -> None:
    command = await rig.send(hold=500)
    rig.fake.faults.append(Fault("drop"))
    async with rig.working(tasks(rig.runtime)):
        await until(lambda: _sent(rig, command.path))
    async with rig.runtime.staff.write() as session:
        row = await session.get_one(Command, command.id)
        assert row.attempts > 0
        assert not await cancel_unsent(session, row)
    assert await rig.hold_state(command.hold_id) == "open"


@pytest.mark.parametrize(
    ("state", "end", "hold"),
    [
        ("succeeded", "succeeded", "captured"),
        ("failed", "failed", "released"),
        ("superseded", "superseded", "released"),
        ("cancelled", "cancelled", "released"),
    ],
)
async def test_silent_command_is_looked_up_and_settled(
    rig: Rig, state: str, end: str, hold: str
) -> None:
    command = await _accepted(rig)
    rig.fake.operations[str(command.id)]["state"] = state
    rig.clock.advance(LOOK_UP_AFTER + MINUTE)
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, end)
    assert await rig.hold_state(command.hold_id) == hold


async def test_look_up_that_learns_nothing_is_made_again_soon(rig: Rig) -> None:
    command = await _accepted(rig)
    rig.fake.operations[str(command.id)]["state"] = "succeeded"
    rig.fake.read_faults.extend([Fault("drop")] * 2)
    rig.clock.advance(LOOK_UP_AFTER + MINUTE)
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "succeeded")
    assert not rig.fake.read_faults


async def test_command_that_the_seller_forgot_is_sent_again_unchanged(rig: Rig) -> None:
    command = await _accepted(rig)
    rig.fake.operations.clear()
    rig.clock.advance(LOOK_UP_AFTER + MINUTE)
    async with rig.working(tasks(rig.runtime)):
        await until(lambda: _operations(rig))
        await rig.reached(command.id, "accepted")
    first, second = rig.fake.sent(command.path)
    assert first[1] == second[1]
    assert first[0]["idempotency-key"] == second[0]["idempotency-key"]


async def test_operation_that_had_ended_already_does_not_hang(rig: Rig) -> None:
    rig.fake.operation_state = "succeeded"
    command = await _accepted(rig)
    rig.clock.advance(WATCH_EVERY + timedelta(seconds=1))
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "succeeded")
    assert await rig.hold_state(command.hold_id) == "captured"


async def _accepted(rig: Rig) -> Command:
    command = await rig.send(hold=500)
    async with rig.working(tasks(rig.runtime)):
        return await rig.reached(command.id, "accepted")


async def _sent(rig: Rig, path: str) -> bool:
    await asyncio.sleep(0)
    return bool(rig.fake.sent(path))


async def _operations(rig: Rig) -> bool:
    return bool(rig.fake.operations)
