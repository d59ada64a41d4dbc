"""What the worker does for services: due renewals, ends of commands, payments that were awaited."""

from uuid import UUID

from reselling_service.commands.actions import SETTLED_JOB
from reselling_service.database import ResellingRuntime
from reselling_service.ledger.actions import TOPPED_UP_JOB
from reselling_service.services import queries
from reselling_service.services.actions import follow, renew_itself
from reselling_service.services.actions.renewing import RENEW_JOB, schedule
from shared.kit.db import WriteSession
from shared.kit.jobs import Completion, Job, Task
from shared.kit.principals import ClientId


def tasks(_runtime: ResellingRuntime) -> list[Task]:
    """The tasks of this room. Their whole work is one transaction: no seller is called."""
    return [
        Task(kind=RENEW_JOB, work=_renew),
        Task(kind=SETTLED_JOB, work=_settled),
        Task(kind=TOPPED_UP_JOB, work=_topped_up),
    ]


async def _renew(job: Job) -> Completion:
    async def complete(session: WriteSession) -> None:
        service = await queries.lock_by_id(session, service_id=UUID(job.payload["service_id"]))
        if service is not None:
            await renew_itself(session, service)

    return complete


async def _settled(job: Job) -> Completion:
    async def complete(session: WriteSession) -> None:
        command = await queries.find_settled(session, command_id=UUID(job.payload["command_id"]))
        if command is None:
            return
        service = await queries.lock_by_id(session, service_id=command.service_id)
        if service is not None:
            await follow(session, service, command)

    return complete


async def _topped_up(job: Job) -> Completion:
    client_id = ClientId(UUID(job.payload["client_id"]))

    async def complete(session: WriteSession) -> None:
        for service_id in await queries.find_unpaid_renewals(session, client_id):
            service = await queries.lock_by_id(session, service_id=service_id)
            if service is not None:
                await schedule(session, service, at=session.clock.now())

    return complete
