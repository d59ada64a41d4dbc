"""Tables of staff, their sessions and the audit; what they hold stands in the kit."""

from selling_service.database import Base
from shared.kit.people import (
    AuditColumns,
    AuditHeadColumns,
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


class AuditHead(AuditHeadColumns, Base):
    """Where the chain of these rows ends."""


PEOPLE = People(
    staff=Staff,
    sessions=StaffSession,
    lockouts=StaffLockout,
    audit=AuditEntry,
    head=AuditHead,
)
