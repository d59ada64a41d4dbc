"""Commands at the staff's desk: seen without the client's content, tried now, cancelled."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from reselling_service.commands.actions import begin_attempt, record_attempt, send_command, settle
from reselling_service.commands.models import Command
from reselling_service.sellers.actions.connect import connect_seller
from shared.contract.basics import CommandKind
from shared.contract.offers import About
from shared.contract.services import RenameRequest
from shared.kit.ids import new_id
from shared.kit.people import Role, Unattended
from tests.reselling.house import House, code_of, open_house
from tests.reselling.sellers.fake import FakeSeller

PATH = "/staff/v1/commands"
MARK = "secret-host.example.com"


@pytest.fixture
async def house(reselling_database_url: str) -> AsyncIterator[House]:
    async with open_house(reselling_database_url) as running:
        yield running


async def make(house: House, *, attempted: bool = False) -> Command:
    fake = FakeSeller(url="http://127.0.0.1:1")
    async with house.runtime.staff.write() as session:
        seller = await connect_seller(
            session,
            Unattended.CLI,
            name=str(new_id()),
            url=fake.url,
            key=fake.key,
            about=About.model_validate(fake._about()),
        )
        command = await send_command(
            session,
            seller_id=seller.id,
            client_id=new_id(),
            service_id=new_id(),
            service_ref=uuid4(),
            kind=CommandKind.RENAME,
            body=RenameRequest(hostname=MARK),
            asked_by="client",
            summary={"actor": "client"},
        )
        if attempted:
            await begin_attempt(session, command)
            await record_attempt(
                session, command, milliseconds=12, outcome="nothing", status=502, detail="gone"
            )
    return command


async def jobs(house: House, kind: str) -> list[str]:
    statement = text("SELECT payload ->> 'command_id' FROM jobs WHERE kind = :kind")
    async with house.runtime.staff.read() as session:
        return list((await session.scalars(statement, {"kind": kind})).all())


async def test_command_is_shown_with_attempts_and_without_its_content(house: House) -> None:
    command = await make(house, attempted=True)
    shown = await house.owner.get(f"{PATH}/{command.id}")
    assert shown["state"] == "unanswered"
    assert [each["status"] for each in shown["attempt_list"]] == [502]
    answer = await house.owner.ask("GET", f"{PATH}/{command.id}")
    assert MARK not in answer.text
    assert "body" not in shown


async def test_list_can_be_narrowed(house: House) -> None:
    first, second = await make(house), await make(house, attempted=True)
    everything = await house.owner.get(PATH)
    assert [each["id"] for each in everything["items"]] == [str(first.id), str(second.id)]
    queued = await house.owner.get(PATH, params={"state": "queued"})
    assert [each["id"] for each in queued["items"]] == [str(first.id)]
    of_seller = await house.owner.get(PATH, params={"seller_id": str(second.seller_id)})
    assert [each["id"] for each in of_seller["items"]] == [str(second.id)]
    async with house.runtime.staff.write() as session:
        await settle(session, first, state="failed")
    open_ones = await house.owner.get(PATH, params={"unsettled": "true"})
    assert [each["id"] for each in open_ones["items"]] == [str(second.id)]
    page = await house.owner.get(PATH, params={"limit": 1})
    rest = await house.owner.get(PATH, params={"limit": 1, "after": page["next"]})
    assert [each["id"] for each in rest["items"]] == [str(second.id)]
    assert rest["next"] is None


async def test_unsent_command_is_cancelled_at_once(house: House) -> None:
    command = await make(house)
    assert (await house.owner.post(f"{PATH}/{command.id}/cancel"))["state"] == "cancelled"
    assert await jobs(house, "forward") == []
    assert await jobs(house, "command_settled") == [str(command.id)]


async def test_attempted_command_is_left_to_the_seller_to_cancel(house: House) -> None:
    command = await make(house, attempted=True)
    assert (await house.owner.post(f"{PATH}/{command.id}/cancel"))["state"] == "unanswered"
    assert await jobs(house, "cancel_command") == [str(command.id)]


async def test_retry_brings_the_next_attempt_forward(house: House) -> None:
    command = await make(house, attempted=True)
    async with house.runtime.staff.write() as session:
        await session.execute(text("UPDATE jobs SET run_at = run_at + interval '1 hour'"))
    await house.owner.post(f"{PATH}/{command.id}/retry")
    async with house.runtime.staff.read() as session:
        due = text("SELECT count(*) FROM jobs WHERE kind = 'forward' AND run_at <= :now")
        assert await session.scalar(due, {"now": house.runtime.clock.now()}) == 1


@pytest.mark.parametrize("verb", ["retry", "cancel"])
async def test_ended_command_stays_ended(house: House, verb: str) -> None:
    command = await make(house)
    async with house.runtime.staff.write() as session:
        await settle(session, command, state="failed")
    answer = await house.owner.ask("POST", f"{PATH}/{command.id}/{verb}")
    assert code_of(answer) == (409, "command_settled")


@pytest.mark.parametrize("verb", ["retry", "cancel"])
async def test_read_only_staff_press_no_buttons(house: House, verb: str) -> None:
    command = await make(house)
    person = await house.staff(Role.READ_ONLY)
    assert (await person.ask("POST", f"{PATH}/{command.id}/{verb}")).status_code == 403
    assert (await person.get(f"{PATH}/{command.id}"))["state"] == "queued"


async def test_unknown_command_is_not_found(house: House) -> None:
    missing: UUID = new_id()
    for method, path in (("GET", ""), ("POST", "/retry"), ("POST", "/cancel")):
        answer = await house.owner.ask(method, f"{PATH}/{missing}{path}")
        assert code_of(answer) == (404, "not_found")
