"""Decides how a VM should stand by the books, and records that it does.

Used after an operation that broke off half way; what is wanted is read anew under the row's lock.
"""

from dataclasses import dataclass
from uuid import UUID

from selling_service.provisioning.platform import Power, VMState
from selling_service.services import queries
from selling_service.services.actions.attempts import close_attempt, open_attempt
from selling_service.services.actions.operations import announce, move
from selling_service.services.models import ServiceRow
from selling_service.services.rules import BUILT, LIVE, running_now, settled_state
from shared.contract.basics import PowerState
from shared.contract.events import EventType
from shared.kit.db import WriteSession
from shared.kit.jobs import Job, JobLost
from shared.kit.jobs.queue import is_mine


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How the VM should stand."""

    service_id: UUID
    account_id: UUID
    data_center_id: UUID
    locked: bool
    running: bool
    fence: int


async def begin_alignment(session: WriteSession, job: Job) -> Alignment | None:
    """What is wanted now, with a new fence; None where no VM is to be found. Raises JobLost."""
    service = await _locked(session, job)
    if not await is_mine(session, job):
        raise JobLost(job.kind, job.id)
    if service.state not in BUILT:
        return None
    rows = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
    wanted = PowerState(service.wanted_power)
    service.fence += 1
    await open_attempt(session, service, job)
    return Alignment(
        service_id=service.id,
        account_id=service.account_id,
        data_center_id=service.data_center_id,
        locked=bool(rows) or service.state not in LIVE,
        running=running_now(suspensions=[row.actor for row in rows], wanted_power=wanted),
        fence=service.fence,
    )


async def record_alignment(session: WriteSession, job: Job, vm: VMState | None) -> None:
    """Record what the platform shows; told where it differs from what was told before."""
    service = await _locked(session, job)
    await close_attempt(session, job, "done")
    before = (service.state, service.power)
    running = vm is not None and vm.power is Power.RUNNING
    service.power = PowerState.RUNNING if running else PowerState.STOPPED
    if service.state in BUILT & LIVE:
        rows = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
        move(service, settled_state(suspended=bool(rows)))
    if (service.state, service.power) != before:
        told = EventType.STARTED if running else EventType.STOPPED
        await announce(session, service, told, None)


async def _locked(session: WriteSession, job: Job) -> ServiceRow:
    service = await queries.find_service(
        session, job.tenant_id, service_id=UUID(job.payload["service_id"]), lock=True
    )
    if service is None:
        message = "a job without its service"
        raise LookupError(message)
    return service
