"""Books that contradict themselves are set aside, at the reseller; everything else goes on."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text

from reselling_service.commands.tasks import tasks as command_tasks
from reselling_service.desk.actions import MONEY
from reselling_service.sellers.client import open_line
from reselling_service.services import actions
from reselling_service.services.models import Service
from reselling_service.services.rules import Cause
from shared.contract.basics import SuspensionReason, TerminateWhen
from shared.kit.jobs import Worker
from shared.kit.problems import ProblemError
from tests.reselling.desk.test_desk import on_desk, path_of
from tests.reselling.house import House, code_of
from tests.reselling.services.shop import BY_STAFF, Shop
from tests.reselling.services.voice import MONTH

UNPARK = {"reason": "Looked at and corrected."}


async def sql(shop: Shop, *statements: str) -> None:
    """As the owner of the tables, whom no trigger and no right holds back."""
    async with shop.runtime.staff.write() as session:
        await session.execute(text("SET LOCAL ROLE NONE"))
        await session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            await session.execute(text(statement))


async def check(shop: Shop) -> int:
    async with shop.runtime.staff.read() as session:
        found = await MONEY.find_wrong(session)
    async with shop.runtime.staff.write() as session:
        return await MONEY.park(session, found)


async def lose_the_charge(shop: Shop) -> str:
    await sql(
        shop,
        "DELETE FROM entries WHERE kind = 'order'",
        "UPDATE balances SET balance = balance + 1200",
    )
    return "term_without_charge"


async def charge_twice(shop: Shop) -> str:
    await sql(
        shop,
        "INSERT INTO entries SELECT client_id, gen_random_uuid(), transaction_id, number + 90,"
        " book, kind, amount, balance_after, reference, service_id, text, at"
        " FROM entries WHERE kind = 'order'",
        "UPDATE balances SET balance = balance - 1200",
    )
    return "charged_twice"


async def forget_the_work(shop: Shop) -> str:
    """The hold of a command that has ended stands open."""
    await sql(
        shop,
        "UPDATE holds SET state = 'open', closed_at = NULL",
        "UPDATE balances SET held = held + 1200",
        "UPDATE commands SET state = 'failed'",
        "DELETE FROM entries WHERE kind = 'order'",
        "UPDATE balances SET balance = balance + 1200",
    )
    return "hold_without_work"


async def refused(shop: Shop, service: Service, act: Callable[..., Awaitable[None]]) -> str:
    with pytest.raises(ProblemError) as problem:
        await shop.wish(service, act, BY_STAFF)
    return problem.value.type.code


@pytest.mark.parametrize("break_books", [lose_the_charge, charge_twice, forget_the_work])
async def test_service_with_wrong_money_is_parked_and_others_go_on(
    shop: Shop, house: House, break_books: Callable[[Shop], Awaitable[str]]
) -> None:
    service, _voice = await shop.built()
    assert await check(shop) == 0
    code = await break_books(shop)
    assert await check(shop) == 1
    assert await check(shop) == 0
    (item,) = await on_desk(house, state="parked")
    assert (item["kind"], item["id"], item["code"]) == ("service", str(service.id), code)
    assert "unpark" in item["to_do"]
    for act in (actions.stop, actions.restart, actions.renew):
        assert await refused(shop, service, act) == "parked"
    await shop.order()
    await shop.wish(
        service, actions.suspend, BY_STAFF, cause=Cause.STAFF, reason=SuspensionReason.OTHER
    )
    await shop.wish(service, actions.terminate, BY_STAFF, when=TerminateWhen.NOW)
    kinds = [command.kind for command in await shop.open_commands(service)]
    assert kinds == ["suspend", "terminate"]
    figures = (await house.http.get("/metrics")).text
    assert 'tandem_desk_items{kind="service",state="parked"} 1.0' in figures
    assert "tandem_services_parked 1.0" in figures


async def test_renewal_of_what_is_parked_waits_and_goes_on_when_it_is_unparked(
    shop: Shop, house: House
) -> None:
    service, _voice = await shop.built()
    await charge_twice(shop)
    assert await check(shop) == 1
    shop.clock.advance(MONTH)
    await shop.work()
    assert (await shop.service(service.id)).renewal_problem == "parked"
    assert await shop.open_commands(service) == []
    (item,) = await on_desk(house, state="parked")
    wrong = await house.owner.ask("POST", path_of(item, "unpark"), json=UNPARK)
    assert code_of(wrong) == (409, "still_wrong")
    await house.owner.post(path_of(item, "unpark"), UNPARK | {"settled_by_hand": True})
    assert await check(shop) == 0
    await shop.work()
    assert [command.kind for command in await shop.open_commands(service)] == ["renew"]


async def test_unsent_commands_of_what_is_parked_are_set_aside_and_brought_back(
    shop: Shop, house: House
) -> None:
    service, _voice = await shop.built()
    await shop.wish(service, actions.stop, BY_STAFF)
    await charge_twice(shop)
    assert await check(shop) == 1
    async with open_line(shop.runtime):
        worker = Worker(shop.runtime.staff, tasks=command_tasks(shop.runtime))
        working = asyncio.create_task(worker.run())
        async with asyncio.timeout(20):
            while await forward_jobs(shop) != ["dead"]:
                await asyncio.sleep(0.02)
        worker.stop()
        await working
    (command,) = await shop.open_commands(service)
    assert (command.state, command.attempts, command.next_attempt_at) == ("queued", 0, None)
    (item,) = await on_desk(house, state="parked")
    await house.owner.post(path_of(item, "unpark"), UNPARK | {"settled_by_hand": True})
    assert await forward_jobs(shop) == ["ready"]


async def forward_jobs(shop: Shop) -> list[str]:
    statement = text(
        "SELECT j.state FROM jobs j JOIN commands c ON j.id = c.job_id WHERE c.kind = 'stop'"
    )
    async with shop.runtime.staff.read() as session:
        return list((await session.scalars(statement)).all())


async def test_account_with_a_wrong_balance_holds_no_new_money(shop: Shop, house: House) -> None:
    service, _voice = await shop.built()
    await sql(shop, "UPDATE balances SET held = held + 7")
    assert await check(shop) == 1
    (item,) = await on_desk(house)
    assert (item["kind"], item["id"]) == ("account", str(shop.client_id))
    assert (item["code"], item["detail"]) == (
        "held_differs",
        "7 more is set aside than there are open holds",
    )
    with pytest.raises(ProblemError) as problem:
        await shop.order()
    assert problem.value.type.code == "parked"
    await shop.wish(service, actions.stop, BY_STAFF)
    await shop.top_up(500)
    await sql(shop, "UPDATE balances SET held = held - 7")
    await house.owner.post(path_of(item, "unpark"), UNPARK)
    await shop.order()
