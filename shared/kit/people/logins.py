"""Lets staff in and out: passwords, second factors, sessions, and a wait after too many attempts.

An attempt is counted before its password is looked at, so that a hundred at once count as well.
Unknown and deactivated logins take as long, answer the same and are locked the same.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from shared.contract.problems import UNAUTHORIZED
from shared.kit.callers import CallerInfo
from shared.kit.db import Database, ReadSession, WriteSession
from shared.kit.keys import hash_secret
from shared.kit.passwords import check_password
from shared.kit.people.errors import WRONG_PASSWORD
from shared.kit.people.factors import pass_factor
from shared.kit.people.lockouts import Attempt, Lockouts
from shared.kit.people.principals import Role, StaffPrincipal
from shared.kit.people.sessions import Opened, Sessions
from shared.kit.people.tables import People, StaffColumns, StaffSessionColumns
from shared.kit.problems import ProblemError
from shared.kit.settings import ServiceSettings

# A hash may be made anew, with newer parameters, while another login of the same person checks it.
_LOOKS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What somebody shows who wants to be let in."""

    email: str
    password: str = field(repr=False)
    code: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Whose session it is, and when it was last seen in use."""

    person: StaffPrincipal
    seen_at: datetime


def sessions_of(people: People) -> Sessions[StaffSessionColumns]:
    """The sessions of the staff."""
    return Sessions(people.sessions, people.sessions.staff_id)


async def log_in(
    database: Database,
    people: People,
    settings: ServiceSettings,
    shown: Credentials,
    caller: CallerInfo,
) -> Opened:
    """A new session. Raises `unauthorized`, `second_factor_…`, `rate_limited`."""
    attempt = Attempt(login=shown.email, network=caller.network)
    async with database.write() as session:
        await _lockouts(people).count(session, attempt, settings)
    for _ in range(_LOOKS):
        async with database.read() as session:
            found = await _find_active(session, people, email=shown.email)
        checked = await check_password(shown.password, found.password_hash if found else None)
        if found is None or not checked.fits:
            raise _wrong_login()
        async with database.write() as session:
            person = await _lock_unchanged(session, people, found)
            if person is not None:
                await pass_factor(session, people, staff_id=person.id, code=shown.code)
                person.password_hash = checked.newer or person.password_hash
                await session.flush()
                await _lockouts(people).succeed(session, attempt)
                life = settings.session_life
                return await sessions_of(people).open(session, person.id, caller, life=life)
    raise _wrong_login()


def _wrong_login() -> ProblemError:
    detail = "The e-mail address or the password is wrong."
    return ProblemError(UNAUTHORIZED, detail, headers={"WWW-Authenticate": "Bearer"})


async def _lock_unchanged(
    session: WriteSession, people: People, known: StaffColumns
) -> StaffColumns | None:
    """A password may be changed while it is checked: no session may outlive its change."""
    table = people.staff
    statement = select(table).where(
        table.id == known.id,
        table.password_hash == known.password_hash,
        table.deactivated_at.is_(None),
    )
    return (await session.scalars(statement.with_for_update())).one_or_none()


async def forget_attempts(session: WriteSession, people: People, row: StaffColumns) -> None:
    """A new password: begin to count anew."""
    await _lockouts(people).forget(session, login=row.email)
    await _proofs(people).forget(session, login=str(row.id))


def _lockouts(people: People) -> Lockouts:
    return Lockouts(people.lockouts, kind=b"staff login", helper="an owner set a password")


def _proofs(people: People) -> Lockouts:
    return Lockouts(people.lockouts, kind=b"staff proof", helper="an owner set a password")


async def prove_password(
    database: Database,
    people: People,
    settings: ServiceSettings,
    person: StaffPrincipal,
    caller: CallerInfo,
    *,
    password: str,
) -> str:
    """Let who is logged in show once more that it is them; the hash that it fitted.

    Strangers' attempts to log in don't count here. Raises `wrong_password`, `rate_limited`.
    """
    attempt = Attempt(login=str(person.id), network=caller.network)
    async with database.write() as session:
        await _proofs(people).count(session, attempt, settings)
    async with database.read() as session:
        row = await session.get_one(people.staff, person.id)
    if not (await check_password(password, row.password_hash)).fits:
        detail = "Nothing was changed. Type the password that you log in with now."
        raise ProblemError(WRONG_PASSWORD, detail)
    return row.password_hash


async def accept_proof(
    session: WriteSession, people: People, person: StaffPrincipal, caller: CallerInfo
) -> None:
    """It was them: the attempt that `prove_password` counted was a good one."""
    attempt = Attempt(login=str(person.id), network=caller.network)
    await _proofs(people).succeed(session, attempt)


async def find_present(
    session: ReadSession, people: People, settings: ServiceSettings, *, token: str
) -> Present | None:
    """Whose session this is; None where it is over, unknown, or of somebody who has left."""
    staff, sessions, factors = people.staff, people.sessions, people.factors
    seen_at = func.coalesce(sessions.seen_at, sessions.created_at)
    now = session.clock.now()
    statement = (
        select(staff.id, staff.email, staff.role, factors.confirmed_at, seen_at)
        .join(sessions, sessions.staff_id == staff.id)
        .outerjoin(factors, factors.staff_id == staff.id)
        .where(
            sessions.token_hash == hash_secret(token),
            sessions.expires_at > now,
            seen_at > now - settings.session_idle,
            staff.deactivated_at.is_(None),
        )
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None:
        return None
    person_id, email, role, confirmed_at, seen = row
    person = StaffPrincipal(
        id=person_id, email=email, role=Role(role), second_factor=confirmed_at is not None
    )
    return Present(person=person, seen_at=seen)


async def end_sessions(
    session: WriteSession, people: People, *, staff_id: UUID, but: str | None = None
) -> None:
    """End all sessions of a person, but for the one with the token `but`."""
    await sessions_of(people).end_all(session, staff_id, but=but)


async def _find_active(session: ReadSession, people: People, *, email: str) -> StaffColumns | None:
    table = people.staff
    statement = select(table).where(table.email == email, table.deactivated_at.is_(None))
    return (await session.scalars(statement)).one_or_none()
