"""The provider's worker process: every room's tasks, until it is told to stop.

`python -m selling_service.worker`; as many as wanted may run side by side.
"""

import asyncio

from selling_service.database import TENANT_SETTING, SellingRuntime
from selling_service.desk import tasks as desk
from selling_service.events import tasks as events
from selling_service.events.webhooks import open_sender
from selling_service.ledger.models import BOOKS
from selling_service.provisioning import tasks as provisioning
from selling_service.provisioning.actions import boot_nodes, traced
from selling_service.provisioning.drivers.opening import open_platforms
from selling_service.provisioning.platform import Platforms
from selling_service.reconciliation import tasks as reconciliation
from selling_service.services import tasks as services
from selling_service.settings import SellingSettings, get_settings
from selling_service.staff import tasks as staff
from shared.kit.bookkeeping import check_currency
from shared.kit.jobs import Task, Worker
from shared.kit.runtime import Runtime
from shared.kit.serving import expose_metrics, run_worker
from shared.kit.telemetry import configure_logging
from shared.kit.tracing import start_tracing


def all_tasks(runtime: SellingRuntime, platforms: Platforms) -> list[Task]:
    """What the jobs of this service mean."""
    return [
        *events.tasks(runtime),
        *provisioning.tasks(runtime, platforms),
        *services.tasks(runtime, platforms),
        *staff.tasks(runtime),
        *desk.tasks(runtime),
        *reconciliation.tasks(runtime, platforms),
    ]


async def work(settings: SellingSettings) -> None:
    """Work until SIGTERM or SIGINT."""
    runtime = Runtime(settings, tenant_setting=TENANT_SETTING)
    async with runtime.running(), open_sender(runtime), open_platforms(runtime) as platforms:
        await check_currency(runtime.staff, BOOKS)
        await boot_nodes(platforms)
        await run_worker(
            Worker(
                runtime.app,
                tasks=all_tasks(runtime, traced(platforms)),
                concurrency=settings.worker_concurrency,
                lease_seconds=settings.worker_lease_seconds,
            )
        )


def main() -> None:
    """Start the process."""
    settings = get_settings()
    configure_logging(
        service="selling-worker", level=settings.log_level, json_lines=settings.log_json
    )
    start_tracing("selling-worker")
    expose_metrics(settings)
    asyncio.run(work(settings))


if __name__ == "__main__":
    main()
