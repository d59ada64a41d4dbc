"""Who belongs to the staff, with which role and password. There is always an owner."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from shared.kit.db import Database, ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.passwords import hash_password, refuse_weak_password
from shared.kit.people.auditing import audit
from shared.kit.people.errors import LAST_OWNER, LOGIN_TAKEN, WRONG_PASSWORD
from shared.kit.people.logins import end_sessions, forget_attempts
from shared.kit.people.principals import Doer, Role, StaffPrincipal
from shared.kit.people.tables import People, StaffColumns
from shared.kit.problems import ProblemError, not_found
from shared.kit.text import same_email


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChange:
    """What shall be different; None leaves it as it is."""

    name: str | None = None
    role: Role | None = None
    active: bool | None = None
    password: str | None = field(default=None, repr=False)


async def create_member(
    session: WriteSession,
    people: People,
    doer: Doer,
    *,
    email: str,
    name: str,
    role: Role,
    password: str,
) -> StaffColumns:
    """A new person. Raises `login_taken`, `invalid_request` for a weak password."""
    refuse_weak_password(password, personal=(email, name), path="body.password")
    row = people.staff()
    row.id, row.created_at, row.deactivated_at = new_id(), session.clock.now(), None
    row.email, row.name, row.role = same_email(email), name, role.value
    row.password_hash = await hash_password(password)
    try:
        async with session.begin_nested():
            session.add(row)
    except IntegrityError as error:
        detail = "Choose another address, or change the person who has it."
        raise ProblemError(LOGIN_TAKEN, detail) from error
    await audit(
        session,
        people,
        doer,
        "staff.create",
        object_type="staff",
        object_id=row.id,
        after=_picture(row),
    )
    return row


async def change_member(
    session: WriteSession, people: People, doer: Doer, staff_id: UUID, change: MemberChange
) -> StaffColumns:
    """The person as changed. A new password, another role or leaving ends all sessions.

    Raises `not_found`, `last_owner`, `invalid_request` for a weak password.
    """
    if change.password is not None:
        known = await find_member(session, people, staff_id=staff_id)
        personal = (known.email, known.name)
        refuse_weak_password(change.password, personal=personal, path="body.password")
    new_hash = None if change.password is None else await hash_password(change.password)
    owners = await _lock_owners(session, people)
    row = await _lock(session, people, staff_id=staff_id)
    before = _picture(row)
    _apply(session, row, change)
    if owners == [row.id] and not (row.role == Role.OWNER and row.deactivated_at is None):
        detail = "Make somebody else an owner first."
        raise ProblemError(LAST_OWNER, detail)
    if new_hash is not None:
        await _set_password(session, people, row, new_hash)
    if row.deactivated_at is not None or row.role != before["role"]:
        await end_sessions(session, people, staff_id=row.id)
    await session.flush()
    after = _picture(row) | ({"password": "new"} if new_hash else {})
    await audit(
        session,
        people,
        doer,
        "staff.change",
        object_type="staff",
        object_id=row.id,
        before=before,
        after=after,
    )
    return row


async def change_password(
    database: Database, people: People, person: StaffPrincipal, *, proven: str, new: str
) -> None:
    """A person's own new password; ends all of their sessions.

    `proven` is the hash of the present one (see `prove_password`). Raises `wrong_password` where it
    has been changed since, `invalid_request` where the new one is weak.
    """
    async with database.read() as session:
        known = await find_member(session, people, staff_id=person.id)
    refuse_weak_password(new, personal=(known.email, known.name), path="body.new_password")
    new_hash = await hash_password(new)
    async with database.write() as session:
        row = await _lock(session, people, staff_id=person.id)
        if row.password_hash != proven:
            detail = "Somebody has changed it meanwhile. Log in with the new one."
            raise ProblemError(WRONG_PASSWORD, detail)
        await _set_password(session, people, row, new_hash)
        await audit(
            session, people, person, "staff.password", object_type="staff", object_id=person.id
        )


async def find_member(session: ReadSession, people: People, *, staff_id: UUID) -> StaffColumns:
    """One person, also one who has left. Raises `not_found`."""
    row = await session.get(people.staff, staff_id)
    if row is None:
        raise not_found("person")
    return row


async def list_members(
    session: ReadSession, people: People, *, after: UUID | None, limit: int
) -> Sequence[StaffColumns]:
    """Up to `limit + 1` people, oldest first, also those who have left."""
    table = people.staff
    statement = select(table).order_by(table.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(table.id > after)
    return (await session.scalars(statement)).all()


async def _lock_owners(session: WriteSession, people: People) -> list[UUID]:
    """Two owners who remove each other must meet here."""
    table = people.staff
    statement = (
        select(table.id)
        .where(table.role == Role.OWNER.value, table.deactivated_at.is_(None))
        .order_by(table.id)
        .with_for_update()
    )
    return list((await session.scalars(statement)).all())


async def _lock(session: WriteSession, people: People, *, staff_id: UUID) -> StaffColumns:
    table = people.staff
    statement = select(table).where(table.id == staff_id).with_for_update()
    row = (await session.scalars(statement.execution_options(populate_existing=True))).one_or_none()
    if row is None:
        raise not_found("person")
    return row


def _apply(session: WriteSession, row: StaffColumns, change: MemberChange) -> None:
    if change.name is not None:
        row.name = change.name
    if change.role is not None:
        row.role = change.role.value
    if change.active is True:
        row.deactivated_at = None
    elif change.active is False and row.deactivated_at is None:
        row.deactivated_at = session.clock.now()


async def _set_password(
    session: WriteSession, people: People, row: StaffColumns, password_hash: str
) -> None:
    row.password_hash = password_hash
    await session.flush()
    # In the order of a login: counts first, then sessions.
    await forget_attempts(session, people, row)
    await end_sessions(session, people, staff_id=row.id)


def _picture(row: StaffColumns) -> dict[str, Any]:
    """What the audit shows of a person."""
    return {
        "email": row.email,
        "name": row.name,
        "role": row.role,
        "active": row.deactivated_at is None,
    }
