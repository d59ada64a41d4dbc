"""Sets a service aside while its books don't agree, and takes it up again.

Whatever finds that something is wrong with a service may call `park_service`, in a transaction of
the staff's. Clients' accounts are parked by `BOOKS.park`.
"""

from uuid import UUID

from reselling_service.commands.actions import wake
from reselling_service.commands.rules import CommandStatus
from reselling_service.services import queries
from reselling_service.services.actions.renewing import schedule
from reselling_service.services.models import Service
from reselling_service.staff.models import PEOPLE
from shared.kit.db import WriteSession
from shared.kit.desk.parking import set_aside, take_up
from shared.kit.people import StaffPrincipal
from shared.kit.problems import not_found

_UNSENT = frozenset({CommandStatus.QUEUED, CommandStatus.UNANSWERED})


async def park_service(session: WriteSession, *, service_id: UUID, code: str, detail: str) -> bool:
    """Set a service aside; false where there is none, or it was before.

    What waits to be sent is set aside when its turn comes, which is now.
    """
    service = await queries.lock_by_id(session, service_id=service_id)
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
    service = await queries.lock_by_id(session, service_id=service_id)
    if service is None:
        raise not_found("service")
    if not await take_up(session, PEOPLE, staff, service, reason=reason):
        return False
    await _bring_forward(session, service)
    await schedule(session, service)
    return True


async def _bring_forward(session: WriteSession, service: Service) -> None:
    for command in (await queries.find_open_commands(session, [service]))[service.id]:
        if command.state in _UNSENT:
            await wake(session, command)
