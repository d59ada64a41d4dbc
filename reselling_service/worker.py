"""The worker of the reselling service: works jobs of all rooms and follows the sellers' feeds.

Started by `python -m reselling_service.worker`; as many of them as wanted.
"""

import asyncio

import reselling_service.clients.tasks as clients
import reselling_service.commands.tasks as commands
import reselling_service.desk.tasks as desk
import reselling_service.privacy.tasks as privacy
import reselling_service.reconciliation.tasks as reconciliation
import reselling_service.sellers.tasks as sellers
import reselling_service.services.tasks as services
import reselling_service.staff.tasks as staff
from reselling_service.database import TENANT_SETTING, ResellingRuntime
from reselling_service.ledger.models import BOOKS
from reselling_service.sellers.client import open_line
from reselling_service.settings import get_settings
from reselling_service.sync.tasks import run_readers
from shared.kit.bookkeeping import check_currency
from shared.kit.jobs import Task, Worker
from shared.kit.serving import expose_metrics, run_worker
from shared.kit.telemetry import configure_logging
from shared.kit.tracing import start_tracing

_ROOMS = (sellers, commands, services, reconciliation, desk, staff, clients, privacy)


def all_tasks(runtime: ResellingRuntime) -> list[Task]:
    """The tasks of all rooms."""
    return [task for room in _ROOMS for task in room.tasks(runtime)]


async def run(runtime: ResellingRuntime) -> None:
    """Work until told to stop; as staff, since jobs are of all clients."""
    async with runtime.running(), open_line(runtime):
        await check_currency(runtime.staff, BOOKS)
        worker = Worker(
            runtime.staff,
            tasks=all_tasks(runtime),
            concurrency=runtime.settings.worker_concurrency,
            lease_seconds=runtime.settings.worker_lease_seconds,
        )
        stop = asyncio.Event()
        # Where the readers fail for good the whole process ends, so that it is started anew.
        async with asyncio.TaskGroup() as group:
            group.create_task(run_readers(runtime, stop), name="readers")
            await run_worker(worker)
            stop.set()


def main() -> None:
    """Work until told to stop."""
    settings = get_settings()
    configure_logging(
        service="reselling-worker", level=settings.log_level, json_lines=settings.log_json
    )
    start_tracing("reselling-worker")
    expose_metrics(settings)
    asyncio.run(run(ResellingRuntime(settings, tenant_setting=TENANT_SETTING)))


if __name__ == "__main__":
    main()
