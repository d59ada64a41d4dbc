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
from reselling_service.staff.actions import audit
from shared.kit.db import WriteSession
from shared.kit.people import StaffPrincipal, Unattended
from shared.kit.problems import not_found

_UNSENT = frozenset({CommandStatus.QUEUED, CommandStatus.UNANSWERED})


async def park_service(
    session: WriteSession, *, service_id: UUID, code: str, detail: str
) -> Service | None:
    """Set a service aside; None where there is none, or it was before.

    What waits to be sent is set aside when its turn comes, which is now.
    """
    service = await queries.lock_by_id(session, service_id=service_id)
    if service is None or service.parked_at is not None:
        return None
    service.parked_at = session.clock.now()
    service.parked_code, service.parked_detail = code, detail
    await session.flush()
    await _bring_forward(session, service)
    await audit(
        session,
        Unattended.SYSTEM,
        "service.park",
        object_type="service",
        object_id=service.id,
        after={"code": code, "detail": detail},
    )
    return service


async def unpark_service(
    session: WriteSession, staff: StaffPrincipal, *, service_id: UUID, reason: str
) -> bool:
    """Take a service up again, and what waited with it; false where it isn't parked."""
    service = await queries.lock_by_id(session, service_id=service_id)
    if service is None:
        raise not_found("service")
    if service.parked_at is None:
        return False
    before = {"code": service.parked_code, "detail": service.parked_detail}
    service.parked_at = service.parked_code = service.parked_detail = None
    await session.flush()
    await _bring_forward(session, service)
    await schedule(session, service)
    await audit(
        session,
        staff,
        "service.unpark",
        object_type="service",
        object_id=service.id,
        before=before,
        after={"reason": reason},
    )
    return True


async def _bring_forward(session: WriteSession, service: Service) -> None:
    for command in (await queries.find_open_commands(session, [service]))[service.id]:
        if command.state in _UNSENT:
            await wake(session, command)
