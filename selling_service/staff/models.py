"""Tables of staff, their sessions and the audit; what they hold stands in the kit."""

from selling_service.database import Base
from shared.kit.people import (
    AuditColumns,
    AuditHeadColumns,
    FactorColumns,
    People,
    RecoveryCodeColumns,
    StaffColumns,
    StaffLockoutColumns,
    StaffSessionColumns,
)


class Staff(StaffColumns, Base):
    """People who run the service."""


class StaffSession(StaffSessionColumns, Base):
    """Their logins."""


class StaffFactor(FactorColumns, Base):
    """Their second factors."""


class StaffRecoveryCode(RecoveryCodeColumns, Base):
    """What lets them in without their device."""


class StaffLockout(StaffLockoutColumns, Base):
    """Logins that were tried too often."""


class AuditEntry(AuditColumns, Base):
    """What they changed. Rows are added and never touched again."""


class AuditHead(AuditHeadColumns, Base):
    """Where the chain of these rows ends."""


PEOPLE = People(
    name="Tandem provider",
    staff=Staff,
    sessions=StaffSession,
    factors=StaffFactor,
    recovery_codes=StaffRecoveryCode,
    lockouts=StaffLockout,
    audit=AuditEntry,
    head=AuditHead,
)
