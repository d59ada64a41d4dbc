"""People who log in to run a service: staff with roles, their sessions, and what they changed."""

from shared.kit.people.access import StaffGuard
from shared.kit.people.auditing import Audit, audit, redact_audit
from shared.kit.people.lockouts import Attempt, Lockouts
from shared.kit.people.members import change_password, create_member
from shared.kit.people.principals import Role, StaffPrincipal, Unattended
from shared.kit.people.tables import (
    AuditColumns,
    AuditHeadColumns,
    FactorColumns,
    LockoutColumns,
    People,
    RecoveryCodeColumns,
    SessionColumns,
    StaffColumns,
    StaffLockoutColumns,
    StaffSessionColumns,
)

__all__ = [
    "Attempt",
    "Audit",
    "AuditColumns",
    "AuditHeadColumns",
    "FactorColumns",
    "LockoutColumns",
    "Lockouts",
    "People",
    "RecoveryCodeColumns",
    "Role",
    "SessionColumns",
    "StaffColumns",
    "StaffGuard",
    "StaffLockoutColumns",
    "StaffPrincipal",
    "StaffSessionColumns",
    "Unattended",
    "audit",
    "change_password",
    "create_member",
    "redact_audit",
]
