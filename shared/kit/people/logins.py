"""Lets staff in and out: passwords, sessions of twelve hours, and a lock after too many attempts.

An attempt is counted before its password is looked at, so that a hundred at once count as well.
Unknown and deactivated logins take as long, answer the same and are locked the same.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select

from shared.contract.problems import UNAUTHORIZED
from shared.kit.db import Database, ReadSession, WriteSession
from shared.kit.keys import hash_secret, make_session_token
from shared.kit.passwords import verify_password
from shared.kit.people.lockouts import Lockouts
from shared.kit.people.principals import Role, StaffPrincipal
from shared.kit.people.tables import People, StaffColumns
from shared.kit.problems import ProblemError

SESSION_LIFE = timedelta(hours=12)


async def log_in(
    database: Database, people: People, *, email: str, password: str
) -> tuple[str, datetime]:
    """The session's token, shown once, and its end. Raises `unauthorized`, `rate_limited`."""
    async with database.write() as session:
        await count_attempt(session, people, email=email)
        found = await _find_active(session, people, email=email)
    fits = await verify_password(password, found.password_hash if found else None)
    if found is None or not fits:
        raise _wrong_login()
    async with database.write() as session:
        if not await _is_unchanged(session, people, found):
            raise _wrong_login()
        await forget_attempts(session, people, email=email)
        return await _open_session(session, people, staff_id=found.id)


def _wrong_login() -> ProblemError:
    detail = "The e-mail address or the password is wrong."
    return ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


async def _is_unchanged(session: WriteSession, people: People, known: StaffColumns) -> bool:
    """A password may be changed while it is checked: no session may outlive its change."""
    table = people.staff
    statement = select(table.id).where(
        table.id == known.id,
        table.password_hash == known.password_hash,
        table.deactivated_at.is_(None),
    )
    return await session.scalar(statement.with_for_update(read=True)) is not None


async def count_attempt(session: WriteSession, people: People, *, email: str) -> None:
    """Count one attempt at this login. Raises `rate_limited` once there were too many."""
    await _lockouts(people).count(session, login=email)


async def forget_attempts(session: WriteSession, people: People, *, email: str) -> None:
    """A success, or a new password: begin to count anew."""
    await _lockouts(people).forget(session, login=email)


def _lockouts(people: People) -> Lockouts:
    return Lockouts(people.lockouts, kind=b"staff login", helper="an owner set a password")


async def log_out(session: WriteSession, people: People, *, token: str) -> None:
    """End this session."""
    table = people.sessions
    await session.execute(delete(table).where(table.token_hash == hash_secret(token)))


async def end_sessions(session: WriteSession, people: People, *, staff_id: UUID) -> None:
    """End all sessions of a person."""
    table = people.sessions
    await session.execute(delete(table).where(table.staff_id == staff_id))


async def find_principal(
    session: ReadSession, people: People, *, token: str
) -> StaffPrincipal | None:
    """Whose session this is; None where it is over, unknown, or of somebody who has left."""
    staff, sessions = people.staff, people.sessions
    statement = (
        select(staff.id, staff.email, staff.role)
        .join(sessions, sessions.staff_id == staff.id)
        .where(
            sessions.token_hash == hash_secret(token),
            sessions.expires_at > session.clock.now(),
            staff.deactivated_at.is_(None),
        )
    )
    row: Any = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    return StaffPrincipal(id=row.id, email=row.email, role=Role(row.role))


async def _find_active(session: ReadSession, people: People, *, email: str) -> StaffColumns | None:
    table = people.staff
    statement = select(table).where(table.email == email, table.deactivated_at.is_(None))
    return (await session.scalars(statement)).one_or_none()


async def _open_session(
    session: WriteSession, people: People, *, staff_id: UUID
) -> tuple[str, datetime]:
    """Sessions that are over go with the next login of the same person."""
    table, now = people.sessions, session.clock.now()
    gone = delete(table).where(table.staff_id == staff_id, table.expires_at <= now)
    await session.execute(gone)
    token, token_hash = make_session_token()
    row = table()
    row.token_hash, row.staff_id = token_hash, staff_id
    row.created_at, row.expires_at = now, now + SESSION_LIFE
    session.add(row)
    await session.flush()
    return token, row.expires_at
