"""Sendings go when their time is over; commands and money stay, and so does what is unanswered."""

from datetime import timedelta

from sqlalchemy import text

from reselling_service.commands.tasks import tasks
from reselling_service.desk.tasks import tasks as desk_tasks
from shared.contract.basics import CommandKind
from tests.job import job_of
from tests.reselling.sellers.fake import Fault, problem
from tests.reselling.sellers.rig import Rig, until

HOUR = timedelta(hours=1)


async def prune(rig: Rig) -> None:
    (task,) = (task for task in desk_tasks(rig.runtime) if task.kind == "prune_attempts")
    assert task.every == HOUR
    await task.work(job_of(task.kind))


async def books(rig: Rig) -> list[str]:
    async with rig.runtime.staff.read() as session:
        return [
            repr(row)
            for table in ("commands", "holds", "entries", "balances")
            for row in await session.execute(text(f"SELECT * FROM {table} ORDER BY 1, 2"))  # noqa: S608
        ]


async def test_sendings_of_ended_commands_are_kept_for_ninety_days(rig: Rig) -> None:
    ended = await rig.send(CommandKind.START, hold=500)
    rig.fake.final[ended.path] = problem("wrong_state")
    async with rig.working(tasks(rig.runtime)):
        await rig.reached(ended.id, "refused")
        rig.fake.faults += [Fault("drop")] * 1000
        stuck = await rig.send(CommandKind.STOP)

        async def tried() -> bool:
            return bool(await rig.attempts(stuck.id))

        await until(tried)
    rig.clock.advance(timedelta(days=90) - HOUR)
    before = await books(rig)
    await prune(rig)
    assert len(await rig.attempts(ended.id)) == 1
    rig.clock.advance(2 * HOUR)
    await prune(rig)
    assert await rig.attempts(ended.id) == []
    assert await rig.attempts(stuck.id), "nobody has answered it yet"
    assert await books(rig) == before
