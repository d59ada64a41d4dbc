"""Tables of staff, their sessions and the audit; what they hold stands in the kit."""

from selling_service.database import Base
from shared.kit.people import (
    AuditColumns,
    People,
    StaffColumns,
    StaffLockoutColumns,
    StaffSessionColumns,
)


class Staff(StaffColumns, Base):
    """People who run the service."""


class StaffSession(StaffSessionColumns, Base):
    """Their logins."""


class StaffLockout(StaffLockoutColumns, Base):
    """Logins that were tried too often."""


class AuditEntry(AuditColumns, Base):
    """What they changed. Rows are added and never touched again."""


PEOPLE = People(staff=Staff, sessions=StaffSession, lockouts=StaffLockout, audit=AuditEntry)
