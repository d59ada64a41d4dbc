"""What the selling worker does for services: carries operations out, and watches the clocks."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from uuid import UUID

import structlog

from selling_service.catalog.queries import platform_of
from selling_service.database import SellingRuntime
from selling_service.provisioning.actions import (
    answering,
    drive_power,
    ensure_user,
    guest_content,
)
from selling_service.provisioning.drivers.recorded import recorded
from selling_service.provisioning.platform import (
    NotFound,
    Platform,
    PlatformFull,
    PlatformRefused,
    Platforms,
    PlatformUnavailable,
    StaleFence,
    VMState,
)
from selling_service.services import queries
from selling_service.services.actions import clocks
from selling_service.services.actions.accounts import ACCOUNT_JOB, still_closed
from selling_service.services.actions.aftermath import ALIGN_JOB, DEBT_JOB, PURGE_JOB, purged
from selling_service.services.actions.align import begin_alignment, record_alignment
from selling_service.services.actions.attempts import close_attempt, note_setback, open_attempt
from selling_service.services.actions.carry_out import (
    Assignment,
    begin,
    complete,
    fail,
    wait,
)
from selling_service.services.actions.forgetting import forget_ended
from selling_service.services.actions.operations import OPERATION_JOB
from selling_service.services.actions.outdated import note_outdated
from selling_service.services.actions.terminate import DELETE_JOB, TERMINATE_JOB
from selling_service.services.actions.terms import EXPIRE_JOB
from selling_service.services.models import ReceivedCommand
from shared.contract.basics import CommandKind
from shared.contract.problems import PARKED, PLATFORM_FULL, PLATFORM_REFUSED, UNAVAILABLE
from shared.kit.batches import in_batches
from shared.kit.db import WriteSession
from shared.kit.idempotency import forget_answers
from shared.kit.jobs import Completion, Job, JobLost, Retry, SetAside, Setback, Task

# A platform that is away is waited for, however long; one that refuses, for about five minutes:
# it must not hold the service's line for ever.
ALIGN_ATTEMPTS = 10
FORGET_JOB = "forget_answers"
FORGET_EVERY = timedelta(hours=1)
# How often the platform is set right again while suspensions come and go under our hands.
SETTLE_ROUNDS = 5

_log = structlog.get_logger(__name__)


class Operations:
    """Carries operations out, one attempt at a time."""

    def __init__(self, runtime: SellingRuntime, platforms: Platforms) -> None:
        self._runtime = runtime
        self._platforms = platforms

    async def work(self, job: Job) -> Completion | None:
        """One attempt: begin, act on the platform, and say what to record."""
        partner_id = _tenant(job)
        async with self._runtime.app.write(tenant=partner_id) as session:
            assignment = await begin(session, job)
        if assignment is None:
            return None
        platform = await self._platform(assignment.data_center_id)
        try:
            async with answering(self._runtime):
                vm = await self._carry_out(platform, assignment)
                vm = await self._settle(platform, assignment, vm)
        except PlatformUnavailable as error:
            raise Retry(error.detail) from error
        except StaleFence as error:
            await self._outdated(platform, assignment, job)
            raise JobLost(job.kind, job.id) from error
        except PlatformRefused as error:
            return await self._refused(platform, assignment, job, error)
        retention = self._runtime.settings.retention

        async def record(session: WriteSession) -> None:
            await complete(session, job, vm, retention=retention)

        return record

    async def on_setback(self, session: WriteSession, job: Job, setback: Setback) -> None:
        """The platform is away, or attempts are used up: held, shown, tried again."""
        parked = isinstance(setback.error, SetAside)
        await wait(session, job, PARKED if parked else UNAVAILABLE, setback.reason)

    async def _platform(self, data_center_id: UUID) -> Platform:
        async with self._runtime.app.read() as session:
            name = await platform_of(session, data_center_id)
        platform = self._platforms.get(name)
        if platform is None:
            reason = f"this worker has no platform {name}"
            raise Retry(reason)
        return platform

    async def _outdated(self, platform: Platform, task: Assignment, job: Job) -> None:
        """Raise Retry where nobody overtook us: then these books are older than the platform."""
        try:
            vm = await platform.get_vm(owner_id=task.account_id, vm_id=task.service_id)
        except NotFound:
            return
        except PlatformUnavailable as error:
            raise Retry(error.detail) from error
        async with self._runtime.app.write(tenant=task.partner_id) as session:
            seconds = await note_outdated(session, job, task, seen=vm.fence)
        if seconds is not None:
            reason = "the platform has seen newer commands than these books: a restored backup?"
            raise Retry(reason, after=seconds, counted=False)

    async def _carry_out(self, platform: Platform, task: Assignment) -> VMState | None:
        vm = {"owner_id": task.account_id, "vm_id": task.service_id}
        if task.kind is CommandKind.ORDER:
            return await self._create(platform, task)
        if not task.exists:
            return await self._keep_from_being_built(platform, task)
        if task.kind is CommandKind.RESTART:
            return await platform.restart_vm(**vm, fence=task.fence)
        if task.kind is CommandKind.RENAME:
            return await platform.rename_vm(**vm, hostname=task.hostname, fence=task.fence)
        locked = task.suspended or task.kind is CommandKind.TERMINATE
        return await drive_power(
            platform, **vm, locked=locked, running=task.running, fence=task.fence
        )

    async def _keep_from_being_built(self, platform: Platform, task: Assignment) -> VMState | None:
        """Suspended or terminated before it was built: a worker that froze must not build it.

        What there is of it is locked. Where there is nothing, a deletion leaves our fence, which
        refuses a creation that began before; the order's next attempt has a higher one.
        """
        vm = {"owner_id": task.account_id, "vm_id": task.service_id}
        kept = await drive_power(platform, **vm, locked=True, running=False, fence=task.fence)
        if kept is None:
            await platform.delete_vm(**vm, fence=task.fence)
        return kept

    async def _create(self, platform: Platform, task: Assignment) -> VMState:
        if task.again:
            return await self._find_again(platform, task)
        await ensure_user(self._runtime, platform, task.partner_id, account_id=task.account_id)
        vm = await platform.create_vm(
            owner_id=task.account_id,
            vm_id=task.service_id,
            size=task.size,
            image=task.image,
            content=guest_content(hostname=task.hostname, content=task.content),
            fence=task.fence,
            started=not task.suspended,
            mark=task.mark,
        )
        if not vm.locked or task.suspended:
            return vm
        # Locked between two attempts by a suspension that was lifted since.
        names = {"owner_id": task.account_id, "vm_id": task.service_id}
        freed = await drive_power(
            platform, **names, locked=False, running=task.running, fence=task.fence
        )
        return freed or vm

    async def _find_again(self, platform: Platform, task: Assignment) -> VMState:
        """A VM that was built before these books were restored: left as it stands."""
        vm = await platform.get_vm(owner_id=task.account_id, vm_id=task.service_id)
        await ensure_user(self._runtime, platform, task.partner_id, account_id=task.account_id)
        if not task.suspended:
            return vm
        fence = max(vm.fence, task.fence)
        return await platform.lock_vm(owner_id=task.account_id, vm_id=task.service_id, fence=fence)

    async def _settle(
        self, platform: Platform, task: Assignment, vm: VMState | None
    ) -> VMState | None:
        """The last step: look at the suspensions again, and stop what was started meanwhile."""
        locked = task.suspended or task.kind is CommandKind.TERMINATE
        for _ in range(SETTLE_ROUNDS):
            async with self._runtime.app.read(tenant=task.partner_id) as session:
                rows = await queries.suspensions_of(
                    session, task.partner_id, service_id=task.service_id
                )
            wanted = bool(rows) or task.kind is CommandKind.TERMINATE
            if wanted == locked or not wanted:
                return vm
            locked = wanted
            names = {"owner_id": task.account_id, "vm_id": task.service_id}
            vm = await drive_power(
                platform, **names, locked=locked, running=False, fence=task.fence
            )
        return vm

    async def _refused(
        self, platform: Platform, task: Assignment, job: Job, error: PlatformRefused
    ) -> Completion:
        """The platform said no for good; what an order left half built goes."""
        if task.kind is CommandKind.ORDER and not task.again:
            await _delete(self._runtime, platform, task)
        problem = PLATFORM_FULL if isinstance(error, PlatformFull) else PLATFORM_REFUSED

        async def record(session: WriteSession) -> None:
            await fail(session, job, problem, error.detail)

        return record


async def _delete(runtime: SellingRuntime, platform: Platform, task: Assignment) -> None:
    vm = {"owner_id": task.account_id, "vm_id": task.service_id}
    try:
        async with answering(runtime):
            await platform.delete_vm(**vm, fence=task.fence)
    except NotFound:
        return
    except PlatformUnavailable as error:
        raise Retry(error.detail) from error


def _tenant(job: Job) -> UUID:
    if job.tenant_id is None:
        message = "a job of a service names its partner"
        raise ValueError(message)
    return job.tenant_id


def _clock_task(kind: str, decide: Callable[[WriteSession, Job], Awaitable[None]]) -> Task:
    """A task that only decides in the database."""

    async def work(job: Job) -> Completion:
        async def record(session: WriteSession) -> None:
            await decide(session, job)

        return record

    return Task(kind=kind, work=work)


def _clocks(runtime: SellingRuntime) -> list[Task]:
    slack = runtime.settings.expiry_slack

    async def expire(session: WriteSession, job: Job) -> None:
        await clocks.expire(session, _tenant(job), service_id=_service(job), slack=slack)

    async def terminate(session: WriteSession, job: Job) -> None:
        await clocks.terminate_due(session, _tenant(job), service_id=_service(job))

    async def delete(session: WriteSession, job: Job) -> None:
        await clocks.delete_due(session, _tenant(job), service_id=_service(job))

    return [
        _clock_task(EXPIRE_JOB, expire),
        _clock_task(TERMINATE_JOB, terminate),
        _clock_task(DELETE_JOB, delete),
    ]


def _service(job: Job) -> UUID:
    return UUID(job.payload["service_id"])


def _purge(runtime: SellingRuntime, platforms: Platforms) -> Task:
    """Deletes the VM of a service that is over for good, and then gives its room back."""

    async def record(session: WriteSession, job: Job) -> None:
        await close_attempt(session, job, "done")
        await purged(session, _tenant(job), service_id=_service(job))

    async def work(job: Job) -> Completion | None:
        partner_id = _tenant(job)
        async with runtime.app.write(tenant=partner_id) as session:
            service = await queries.find_service(
                session, partner_id, service_id=_service(job), lock=True
            )
            if service is None:
                return None
            service.fence += 1
            await open_attempt(session, service, job)
            name = await platform_of(session, service.data_center_id)
        try:
            async with answering(runtime):
                await platforms[name].delete_vm(
                    owner_id=service.account_id, vm_id=service.id, fence=service.fence
                )
        except NotFound:
            pass
        except PlatformUnavailable as error:
            raise Retry(error.detail) from error
        return lambda session: record(session, job)

    return Task(kind=PURGE_JOB, work=work, on_setback=note_setback)


def _align(runtime: SellingRuntime, platforms: Platforms) -> Task:
    """Makes a VM agree with the books after an operation that broke off."""

    async def work(job: Job) -> Completion | None:
        partner_id = _tenant(job)
        async with runtime.app.write(tenant=partner_id) as session:
            wanted = await begin_alignment(session, job)
            if wanted is None:
                return None
            name = await platform_of(session, wanted.data_center_id)
        try:
            async with answering(runtime):
                vm = await drive_power(
                    platforms[name],
                    owner_id=wanted.account_id,
                    vm_id=wanted.service_id,
                    locked=wanted.locked,
                    running=wanted.running,
                    fence=wanted.fence,
                )
        except StaleFence as error:
            raise JobLost(job.kind, job.id) from error
        except NotFound:
            vm = None
        except PlatformUnavailable as error:
            raise Retry(error.detail) from error
        except PlatformRefused as error:
            if job.attempt < ALIGN_ATTEMPTS:
                raise Retry(error.detail) from error
            # The lane is freed for others: what is wished next is tried on the VM as it is.
            _log.error("align.refused", service=str(wanted.service_id), reason=error.detail)
            end = partial(close_attempt, job=job, outcome="failed", internal=error.detail)
            return partial(end, problem=PLATFORM_REFUSED)

        async def record(session: WriteSession) -> None:
            await record_alignment(session, job, vm)

        return record

    return Task(kind=ALIGN_JOB, work=work, on_setback=note_setback)


def _debts(runtime: SellingRuntime) -> Task:
    async def work(job: Job) -> None:
        partner_id = _tenant(job)
        async with runtime.app.read(tenant=partner_id) as session:
            debt = await clocks.in_debt(session, partner_id)
            service_ids = await queries.live_service_ids(session, partner_id)
        for service_id in service_ids:
            async with runtime.app.write(tenant=partner_id) as session:
                await clocks.follow_debt(session, partner_id, service_id=service_id, debt=debt)

    return Task(kind=DEBT_JOB, work=work)


def _accounts(runtime: SellingRuntime, platforms: Platforms) -> Task:
    async def work(job: Job) -> None:
        partner_id = _tenant(job)
        account_id = UUID(job.payload["account_id"])
        try:
            async with answering(runtime), runtime.app.write(tenant=partner_id) as session:
                # Held during the call, as in `ensure_user`: no new order may race the deletion.
                if not await still_closed(session, partner_id, account_id=account_id):
                    return
                for name in job.payload["platforms"]:
                    await platforms[name].delete_user(owner_id=account_id)
        except PlatformUnavailable as error:
            raise Retry(error.detail) from error

    return Task(kind=ACCOUNT_JOB, work=work)


def _forgetting(runtime: SellingRuntime) -> Task:
    async def work(_job: Job) -> None:
        await in_batches(runtime.staff, lambda session: forget_answers(session, ReceivedCommand))
        age = timedelta(days=runtime.settings.keep_ended_content_days)
        await in_batches(runtime.staff, lambda session: forget_ended(session, age=age))

    return Task(kind=FORGET_JOB, work=work, every=FORGET_EVERY)


def tasks(runtime: SellingRuntime, platforms: Platforms) -> list[Task]:
    """The tasks of this room."""
    platforms = recorded(platforms, runtime.clock)
    operations = Operations(runtime, platforms)
    return [
        Task(kind=OPERATION_JOB, work=operations.work, on_setback=operations.on_setback),
        _purge(runtime, platforms),
        _align(runtime, platforms),
        _debts(runtime),
        _accounts(runtime, platforms),
        _forgetting(runtime),
        *_clocks(runtime),
    ]
