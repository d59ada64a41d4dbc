"""Forgets what is kept about people for a time only: sessions, attempts, content of the audit.

In batches, each a transaction of its own, so that nothing is locked for long.
"""

from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, delete, select
from sqlalchemy.orm import InstrumentedAttribute

from shared.kit.batches import AT_ONCE, in_batches
from shared.kit.db import Database, WriteSession
from shared.kit.jobs import Job, Task
from shared.kit.people.auditing import redact_audit
from shared.kit.people.principals import Unattended
from shared.kit.people.tables import AuditColumns, LockoutColumns, People, SessionColumns
from shared.kit.runtime import Runtime, S
from shared.kit.settings import ServiceSettings

EVERY = timedelta(hours=1)
_RECORD = "audit.redact"


def staff_retention(runtime: Runtime[S], people: People) -> Task:
    """The task that forgets what is old about a service's staff."""

    async def work(_job: Job) -> None:
        await forget_logins(
            runtime.staff, runtime.settings, sessions=people.sessions, lockouts=people.lockouts
        )
        age = timedelta(days=runtime.settings.keep_audit_content_days)
        await in_batches(runtime.staff, lambda session: _forget_audit(session, people, age))

    return Task(kind="forget_staff", work=work, every=EVERY)


async def forget_logins(
    database: Database,
    settings: ServiceSettings,
    *,
    sessions: type[SessionColumns],
    lockouts: type[LockoutColumns],
) -> None:
    """Sessions that are over or unused for too long, and attempts that are old."""
    kept = timedelta(days=settings.keep_attempts_days)

    async def over(session: WriteSession) -> int:
        done = sessions.expires_at <= session.clock.now()
        return await _delete(session, sessions, sessions.token_hash, done)

    async def old(session: WriteSession) -> int:
        done = lockouts.last_at <= session.clock.now() - kept
        return await _delete(session, lockouts, lockouts.login_hash, done)

    await in_batches(database, over)
    await in_batches(database, old)


async def _delete(
    session: WriteSession,
    table: type[SessionColumns] | type[LockoutColumns],
    key: InstrumentedAttribute[bytes],
    wanted: ColumnElement[bool],
) -> int:
    """Up to `AT_ONCE` rows; those that a login holds are left for the next time."""
    some = select(key).where(wanted).limit(AT_ONCE).with_for_update(skip_locked=True)
    gone = delete(table).where(key.in_(some)).execution_options(synchronize_session=False)
    return cast("CursorResult[Any]", await session.execute(gone)).rowcount


async def _forget_audit(session: WriteSession, people: People, age: timedelta) -> int:
    table: type[AuditColumns] = people.audit
    old = (
        select(table.id)
        .where(
            table.at <= session.clock.now() - age,
            table.redacted_at.is_(None),
            table.number.is_not(None),
            table.action != _RECORD,
            table.before.is_not(None) | table.after.is_not(None),
        )
        .order_by(table.id)
        .limit(AT_ONCE)
    )
    found = (await session.scalars(old)).all()
    if not found:
        return 0
    return await redact_audit(
        session, people, Unattended.SYSTEM, found, object_type="audit", object_id="retention"
    )
