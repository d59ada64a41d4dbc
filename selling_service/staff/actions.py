"""What changes staff, and how every room writes its changes to the audit."""

from uuid import UUID

from selling_service.staff.models import PEOPLE
from shared.kit.db import WriteSession
from shared.kit.people import Audit, Role, create_member
from shared.kit.people.principals import Doer

audit = Audit(PEOPLE)


async def create_staff(
    session: WriteSession, staff: Doer, *, email: str, name: str, role: Role, password: str
) -> UUID:
    """A new person's id. Raises `login_taken`."""
    row = await create_member(
        session, PEOPLE, staff, email=email, name=name, role=role, password=password
    )
    return row.id
