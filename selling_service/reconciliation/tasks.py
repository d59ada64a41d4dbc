"""Compares by schedule and when asked, and deletes stray VMs that the desk has given up."""

from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import text

from selling_service.database import SellingRuntime
from selling_service.provisioning.platform import (
    NotFound,
    Platforms,
    PlatformUnavailable,
    read_mark,
)
from selling_service.reconciliation.actions.comparing import run_once
from selling_service.reconciliation.actions.deciding import DELETE_STRAY_JOB
from selling_service.services import queries
from shared.kit.db import WriteSession
from shared.kit.jobs import Completion, Job, Retry, Task, enqueue
from shared.kit.reconciling.keeping import BY_SCHEDULE
from shared.kit.reconciling.running import LOOK_AGAIN_SECONDS, ComparingAlready
from shared.kit.reconciling.tables import RECONCILE_JOB

# What a repair has begun is looked at again so soon.
AGAIN = timedelta(seconds=30)
_log = structlog.get_logger(__name__)


def tasks(runtime: SellingRuntime, platforms: Platforms) -> list[Task]:
    """The tasks of this room."""

    async def reconcile(_job: Job) -> Completion | None:
        try:
            if not await run_once(runtime, platforms, asked_by=BY_SCHEDULE):
                return None
        except ComparingAlready as error:
            raise Retry(str(error), after=LOOK_AGAIN_SECONDS, counted=False) from error

        async def again(session: WriteSession) -> None:
            at = session.clock.now() + AGAIN
            await enqueue(session, _SOON, payload={}, run_at=at, dedupe_key=_SOON)

        return again

    async def soon(_job: Job) -> Completion:
        async def hurry(session: WriteSession) -> None:
            await enqueue(session, RECONCILE_JOB, payload={}, dedupe_key=RECONCILE_JOB)

        return hurry

    every = timedelta(seconds=runtime.settings.reconciliation_every_seconds)
    return [
        Task(kind=RECONCILE_JOB, work=reconcile, every=every),
        Task(kind=_SOON, work=soon),
        _delete_stray(runtime, platforms),
    ]


_SOON = "reconcile_soon"


def _delete_stray(runtime: SellingRuntime, platforms: Platforms) -> Task:
    """Deletes a VM of which the books know nothing, unless they have come to know of it since."""

    async def work(job: Job) -> None:
        platform = platforms[job.payload["platform"]]
        vm_id, owner_id = UUID(job.payload["vm"]), UUID(job.payload["account"])
        try:
            vm = await platform.get_vm(owner_id=owner_id, vm_id=vm_id)
            marked = read_mark(vm.mark)
            if marked is None:
                return
            async with runtime.staff.write() as session:
                # Held during the call: an order of this service, which finds the VM again, waits.
                await session.execute(
                    text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 11))"),
                    {"name": f"{marked[0]}:{marked[1]}"},
                )
                if await queries.find_service(session, None, service_id=vm_id) is not None:
                    return
                await platform.delete_vm(owner_id=owner_id, vm_id=vm_id, fence=vm.fence + 1)
        except NotFound:
            return
        except PlatformUnavailable as error:
            raise Retry(error.detail) from error
        _log.info("reconciliation.stray_deleted", platform=platform.name, vm=str(vm_id))

    return Task(kind=DELETE_STRAY_JOB, work=work)
