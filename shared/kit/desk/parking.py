"""Notes of a service that it is set aside, and why, or that it is taken up again; each audited.

What that means for what is under way is each service's own affair.
"""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from shared.kit.db import WriteSession
from shared.kit.people import People, StaffPrincipal, Unattended, audit


class Parkable(Protocol):
    """A row, locked, of something that can be set aside."""

    id: UUID
    parked_at: datetime | None
    parked_code: str | None
    parked_detail: str | None


async def set_aside(
    session: WriteSession, people: People, service: Parkable, *, code: str, detail: str
) -> bool:
    """False where it was so before."""
    if service.parked_at is not None:
        return False
    service.parked_at = session.clock.now()
    service.parked_code, service.parked_detail = code, detail
    await session.flush()
    await audit(
        session,
        people,
        Unattended.SYSTEM,
        "service.park",
        object_type="service",
        object_id=service.id,
        after={"code": code, "detail": detail},
    )
    return True


async def take_up(
    session: WriteSession, people: People, staff: StaffPrincipal, service: Parkable, *, reason: str
) -> bool:
    """False where it isn't parked."""
    if service.parked_at is None:
        return False
    before = {"code": service.parked_code, "detail": service.parked_detail}
    service.parked_at = service.parked_code = service.parked_detail = None
    await session.flush()
    await audit(
        session,
        people,
        staff,
        "service.unpark",
        object_type="service",
        object_id=service.id,
        before=before,
        after={"reason": reason},
    )
    return True
