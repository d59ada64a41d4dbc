"""What changes staff, and how every room writes its changes to the audit."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from selling_service.staff.models import PEOPLE
from shared.kit import people
from shared.kit.db import WriteSession
from shared.kit.people import Role, StaffPrincipal, Unattended


async def audit(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    action: str,
    *,
    object_type: str,
    object_id: UUID | str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Remember a change in its own transaction, e.g. `audit(session, staff, "thing.change", …)`.

    Where nobody has logged in, `staff` is `Unattended.CLI` or `Unattended.SYSTEM`.
    """
    await people.audit(
        session,
        PEOPLE,
        staff,
        action,
        object_type=object_type,
        object_id=object_id,
        before=before,
        after=after,
    )


async def create_staff(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    *,
    email: str,
    name: str,
    role: Role,
    password: str,
) -> UUID:
    """A new person's id. Raises `login_taken`."""
    row = await people.create_member(
        session, PEOPLE, staff, email=email, name=name, role=role, password=password
    )
    return row.id
