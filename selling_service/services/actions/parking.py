"""Sets a service aside while its books don't agree, and takes it up again.

Whatever finds that something is wrong with a service may call `park_service`, in a transaction of
the staff's. Partners' accounts are parked by `BOOKS.park`.
"""

from uuid import UUID

from selling_service.services import queries
from selling_service.services.models import ServiceRow
from selling_service.staff.models import PEOPLE
from shared.kit.db import WriteSession
from shared.kit.desk.parking import set_aside, take_up
from shared.kit.jobs import revive_jobs
from shared.kit.people import StaffPrincipal
from shared.kit.problems import not_found


async def park_service(session: WriteSession, *, service_id: UUID, code: str, detail: str) -> bool:
    """Set a service aside; false where there is none, or it was before.

    What is under way ends; what waits is set aside when its turn comes, which is now.
    """
    service = await queries.find_service(session, None, service_id=service_id, lock=True)
    if service is None:
        return False
    if not await set_aside(session, PEOPLE, service, code=code, detail=detail):
        return False
    await _bring_forward(session, service)
    return True


async def unpark_service(
    session: WriteSession, staff: StaffPrincipal, *, service_id: UUID, reason: str
) -> bool:
    """Take a service up again, and what waited with it; false where it isn't parked."""
    service = await queries.find_service(session, None, service_id=service_id, lock=True)
    if service is None:
        raise not_found("service")
    if not await take_up(session, PEOPLE, staff, service, reason=reason):
        return False
    await _bring_forward(session, service)
    return True


async def _bring_forward(session: WriteSession, service: ServiceRow) -> None:
    operations = await queries.open_operations(session, service.partner_id, service_id=service.id)
    ids = [row.job_id for row in operations if row.job_id is not None]
    await revive_jobs(session, ids=ids)
