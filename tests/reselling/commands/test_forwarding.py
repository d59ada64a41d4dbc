"""How commands go out: in order per service, once, patiently, behind one circuit per seller."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text

from reselling_service.commands.actions import send_command, settle
from reselling_service.commands.rules import overtakes
from reselling_service.commands.tasks import tasks
from reselling_service.sellers.actions.connect import change_access, change_seller
from reselling_service.sellers.rules import FAILURES_BEFORE_OPEN
from shared.contract.basics import CommandKind
from shared.contract.offers import About
from shared.contract.operations import Operation
from shared.contract.services import PowerRequest
from shared.kit.ids import new_id
from shared.kit.people import Unattended
from tests.reselling.sellers.fake import Fault, problem
from tests.reselling.sellers.rig import Rig, until


async def test_rolled_back_wish_leaves_no_command_and_no_job(rig: Rig) -> None:
    counts = text("SELECT (SELECT count(*) FROM commands), (SELECT count(*) FROM jobs)")

    async def wish() -> None:
        async with rig.runtime.staff.write() as session:
            await send_command(
                session,
                seller_id=rig.seller_id,
                client_id=rig.client_id,
                service_id=new_id(),
                service_ref=uuid4(),
                kind=CommandKind.START,
                body=PowerRequest(),
                asked_by="staff",
            )
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await wish()
    async with rig.runtime.staff.read() as session:
        assert tuple((await session.execute(counts)).one()) == (0, 0)


async def test_body_lies_encrypted_until_it_is_sent(rig: Rig) -> None:
    command = await rig.send()
    assert command.body != b"{}"
    assert rig.runtime.vault.decrypt(command.body) == b"{}"


async def test_commands_of_one_service_wait_for_the_first(rig: Rig) -> None:
    service_id, ref = new_id(), uuid4()
    rig.fake.faults.extend([Fault("drop")] * 3)
    kinds = (CommandKind.STOP, CommandKind.START, CommandKind.RESTART)
    made = [await rig.send(kind, service_id=service_id, service_ref=ref) for kind in kinds]
    assert [command.sequence for command in made] == [1, 2, 3]
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(made[-1].id, "accepted")
    done = [str(each["kind"]) for each in rig.fake.operations.values()]
    assert done == ["stop", "start", "restart"]
    paths = [path for method, path, _, _ in rig.fake.requests if method == "POST"]
    assert paths == [made[0].path] * 4 + [made[1].path, made[2].path]


@pytest.mark.parametrize("urgent", [CommandKind.SUSPEND, CommandKind.TERMINATE])
async def test_suspension_and_end_overtake_what_a_blocked_partner_cannot_send(
    rig: Rig, urgent: CommandKind
) -> None:
    service_id, ref = new_id(), uuid4()
    renewal = await rig.send(CommandKind.RENEW, service_id=service_id, service_ref=ref)
    rig.fake.final[renewal.path] = problem("partner_blocked")
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(renewal.id, "unanswered")
        second = await rig.send(
            urgent, service_id=service_id, service_ref=ref, summary={"when": "now"}
        )
        await rig.reached(second.id, "accepted")
        assert (await rig.command(renewal.id)).state == "unanswered"


def test_nothing_overtakes_its_order_and_an_end_later_on_overtakes_nothing() -> None:
    assert not overtakes(CommandKind.SUSPEND, when=None, unsent=["order", "renew"])
    assert not overtakes(CommandKind.TERMINATE, when="period_end", unsent=["renew"])
    assert not overtakes(CommandKind.STOP, when=None, unsent=["renew"])
    assert overtakes(CommandKind.SUSPEND, when=None, unsent=["start", "rename"])


@pytest.mark.parametrize(
    "earlier", [CommandKind.RESUME, CommandKind.RESTORE, CommandKind.TERMINATE]
)
async def test_suspension_waits_for_what_would_undo_it_or_must_be_there(
    rig: Rig, earlier: CommandKind
) -> None:
    service_id, ref = new_id(), uuid4()
    rig.fake.faults.extend([Fault("drop")] * 3)
    first = await rig.send(earlier, service_id=service_id, service_ref=ref)
    second = await rig.send(CommandKind.SUSPEND, service_id=service_id, service_ref=ref)
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(second.id, "accepted")
    paths = [path for method, path, _, _ in rig.fake.requests if method == "POST"]
    assert paths == [first.path] * 4 + [second.path]


async def test_refused_command_lets_the_next_one_go(rig: Rig) -> None:
    service_id, ref = new_id(), uuid4()
    first = await rig.send(CommandKind.STOP, service_id=service_id, service_ref=ref)
    second = await rig.send(CommandKind.START, service_id=service_id, service_ref=ref)
    rig.fake.final[first.path] = problem("wrong_state")
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(second.id, "accepted")
    assert (await rig.command(first.id)).state == "refused"


async def test_refusal_is_told_to_the_room_of_services(rig: Rig) -> None:
    command = await rig.send()
    rig.fake.final[command.path] = problem("wrong_state")
    async with rig.working([each for each in tasks(rig.runtime) if each.kind == "forward"]):
        await rig.reached(command.id, "refused")
    async with rig.runtime.staff.read() as session:
        told = await session.scalar(
            text("SELECT payload ->> 'command_id' FROM jobs WHERE kind = 'command_settled'")
        )
    assert told == str(command.id)


async def test_retry_after_is_honoured(rig: Rig) -> None:
    command = await rig.send()
    status, headers, body = problem("rate_limited")
    rig.fake.faults.append(Fault("429", (status, headers | {"retry-after": "2"}, body)))
    began = asyncio.get_running_loop().time()
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "accepted")
    assert asyncio.get_running_loop().time() - began >= 2.0
    assert len(rig.fake.sent(command.path)) == 2
    assert (await rig.seller()).link == "ok", "patience isn't a broken link"


async def test_event_before_the_answer_settles_it_and_the_answer_changes_nothing(rig: Rig) -> None:
    command = await rig.send(hold=500)
    rig.fake.faults.append(Fault("slow", acts=True, seconds=0.5))
    async with rig.working(tasks(rig.runtime)):
        await until(lambda: _arrived(rig, command.path))
        done = rig.fake.operation(str(command.id), "start", str(command.service_ref))
        operation = Operation.model_validate(done | {"state": "succeeded"})
        async with rig.runtime.staff.write() as session:
            row = await session.get_one(type(command), command.id)
            assert await settle(session, row, state="succeeded", operation=operation)
        await asyncio.sleep(0.8)
    after = await rig.command(command.id)
    assert after.state == "succeeded"
    assert await rig.hold_state(command.hold_id) == "captured"
    assert await rig.available() == 9_500
    assert len(rig.fake.sent(command.path)) == 1


async def test_settled_by_event_while_unanswered_is_not_sent_again(rig: Rig) -> None:
    command = await rig.send()
    rig.fake.faults.append(Fault("drop", acts=True))
    async with rig.working(tasks(rig.runtime)):
        await until(lambda: _arrived(rig, command.path))
        async with rig.runtime.staff.write() as session:
            row = await session.get_one(type(command), command.id)
            await settle(session, row, state="succeeded")
        await asyncio.sleep(1.0)
    assert len(rig.fake.sent(command.path)) == 1
    async with rig.runtime.staff.read() as session:
        left = await session.scalar(text("SELECT count(*) FROM jobs WHERE kind = 'forward'"))
    assert left == 0


async def test_settling_twice_moves_money_once(rig: Rig) -> None:
    command = await rig.send(hold=500)
    async with rig.runtime.staff.write() as session:
        assert await settle(session, command, state="succeeded")
        assert not await settle(session, command, state="failed")
    async with rig.runtime.staff.write() as session:
        assert not await settle(session, command, state="failed")
    assert await rig.hold_state(command.hold_id) == "captured"
    assert await rig.available() == 9_500


async def test_circuit_opens_and_closes_for_all_commands_of_the_seller(rig: Rig) -> None:
    # More than are needed: one that got through would close the circuit before anybody looked.
    rig.fake.faults.extend([Fault("drop")] * 100)
    commands = [await rig.send() for _ in range(12)]
    async with rig.working(tasks(rig.runtime)):

        async def broken() -> bool:
            return (await rig.seller()).link == "broken"

        await until(broken)
        seller = await rig.seller()
        assert seller.link_problem is not None
        assert seller.retry_after is not None
        rig.fake.faults.clear()
        for command in commands:
            await rig.reached(command.id, "accepted")
    seller = await rig.seller()
    assert (seller.link, seller.failures, seller.retry_after) == ("ok", 0, None)
    assert set(rig.fake.effects.values()) == {1}


async def test_command_waits_while_the_circuit_is_open(rig: Rig) -> None:
    async with rig.runtime.staff.write() as session:
        seller = await session.get_one(type(await rig.seller()), rig.seller_id)
        seller.failures, seller.link = FAILURES_BEFORE_OPEN, "broken"
        seller.retry_after = rig.clock.now() + timedelta(minutes=5)
    command = await rig.send()
    async with rig.working(tasks(rig.runtime)):
        await asyncio.sleep(0.6)
        assert rig.fake.sent(command.path) == []
        assert (await rig.command(command.id)).attempts == 0
        rig.clock.advance(timedelta(minutes=6))
        await rig.reached(command.id, "accepted")


async def test_blocked_partner_does_not_open_the_circuit(rig: Rig) -> None:
    rig.fake.faults.extend([Fault("403", problem("partner_blocked"))] * 8)
    command = await rig.send()
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "accepted")
    assert [each.code for each in await rig.attempts(command.id)][:8] == ["partner_blocked"] * 8


async def test_expired_key_waits_and_goes_on_when_it_is_replaced(rig: Rig) -> None:
    rig.fake.key = "tps_the_new_key_0123456789"
    command = await rig.send(hold=500)
    async with rig.working(tasks(rig.runtime)):

        async def broken() -> bool:
            return (await rig.seller()).link == "broken"

        await until(broken)
        waiting = await rig.command(command.id)
        assert waiting.state == "unanswered"
        assert await rig.hold_state(command.hold_id) == "open"
        async with rig.runtime.staff.write() as session:
            later = "UPDATE jobs SET run_at = run_at + interval '1 hour' WHERE kind = 'forward'"
            await session.execute(text(later))
        async with rig.runtime.staff.write() as session:
            await change_access(
                session,
                Unattended.CLI,
                seller_id=rig.seller_id,
                about=About.model_validate(rig.fake._about()),
                key=rig.fake.key,
            )
        await rig.reached(command.id, "accepted")
    assert (await rig.seller()).link == "ok"
    first, second = rig.fake.sent(command.path)[0], rig.fake.sent(command.path)[-1]
    assert first[1] == second[1]
    assert first[0]["idempotency-key"] == second[0]["idempotency-key"]


async def test_disabled_seller_gets_nothing_until_it_is_enabled(rig: Rig) -> None:
    async with rig.runtime.staff.write() as session:
        await change_seller(session, Unattended.CLI, seller_id=rig.seller_id, enabled=False)
    command = await rig.send()
    async with rig.working(tasks(rig.runtime)):
        await asyncio.sleep(0.5)
        assert rig.fake.requests == []
        async with rig.runtime.staff.write() as session:
            await change_seller(session, Unattended.CLI, seller_id=rig.seller_id, enabled=True)
        await rig.reached(command.id, "accepted")


async def test_key_and_trace_go_out_and_nothing_else_of_ours(rig: Rig) -> None:
    command = await rig.send()
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(command.id, "accepted")
    headers, _ = rig.fake.sent(command.path)[0]
    known = {"host", "accept", "accept-encoding", "connection", "user-agent", "content-type"}
    known |= {"authorization", "traceparent", "idempotency-key", "content-length"}
    assert set(headers) <= known
    assert headers["traceparent"] == command.traceparent


async def _arrived(rig: Rig, path: str) -> bool:
    return bool(rig.fake.sent(path))
