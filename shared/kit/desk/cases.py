"""What people noted about something that needs one: who holds it, and who has looked it off.

What needs a person, and what can be done about it, is each service's own affair.
"""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import DateTime, Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from shared.contract.problems import ProblemType
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people import People
from shared.kit.problems import ProblemError

NOT_RETRYABLE = ProblemType("not_retryable", 409, "There is nothing to be tried again")
NOT_GIVEN_UP = ProblemType("not_given_up", 409, "This can't be given up")
NOT_DISMISSIBLE = ProblemType("not_dismissible", 409, "This hasn't come to its end")
NOT_PARKED = ProblemType("not_parked", 409, "This isn't parked")
STILL_WRONG = ProblemType("still_wrong", 409, "The books still don't agree")
NO_SUCH_PERSON = ProblemType("no_such_person", 422, "Nobody of the staff has this id")


class CaseColumns:
    """What people noted about something that needs one.

    `settled` is the evidence of a fault in the books that people have made good otherwise, so that
    the very same isn't parked again.
    """

    __tablename__ = "desk_cases"

    kind: Mapped[str] = mapped_column(Text, primary_key=True)
    object_id: Mapped[UUID] = mapped_column(primary_key=True)
    holder_id: Mapped[UUID | None]
    note: Mapped[str | None] = mapped_column(Text)
    handed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    dismissed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    settled: Mapped[str | None] = mapped_column(Text)


async def hand_over(
    session: WriteSession,
    cases: type[CaseColumns],
    people: People,
    *,
    kind: str,
    object_id: UUID,
    to: UUID | None,
    note: str,
) -> None:
    """Write down who holds it from now on. Raises `no_such_person`, also for one who has left."""
    staff = people.staff
    if to is not None:
        found = select(staff.id).where(staff.id == to, staff.deactivated_at.is_(None))
        if await session.scalar(found) is None:
            raise ProblemError(NO_SUCH_PERSON, "Choose somebody of `GET …/staff` who is active.")
    values: dict[str, object] = {"holder_id": to, "note": note, "handed_at": session.clock.now()}
    await _note(session, cases, kind, object_id, values)


async def dismiss(
    session: WriteSession, cases: type[CaseColumns], *, kind: str, object_id: UUID
) -> None:
    """Write down that somebody has looked at it; it leaves the desk."""
    await _note(session, cases, kind, object_id, {"dismissed_at": session.clock.now()})


async def settle_by_hand(
    session: WriteSession,
    cases: type[CaseColumns],
    *,
    kind: str,
    object_id: UUID,
    evidence: str | None,
) -> None:
    """Write down which evidence is made good; None: the books are clean."""
    await _note(session, cases, kind, object_id, {"settled": evidence})


async def find_settled(
    session: ReadSession, cases: type[CaseColumns], object_ids: Collection[UUID]
) -> set[tuple[str, UUID, str | None]]:
    """Kind, id and evidence of what people have made good."""
    statement = select(cases.kind, cases.object_id, cases.settled).where(
        cases.object_id.in_(object_ids), cases.settled.is_not(None)
    )
    return {(row.kind, row.object_id, row.settled) for row in await session.execute(statement)}


async def _note(
    session: WriteSession,
    cases: type[CaseColumns],
    kind: str,
    object_id: UUID,
    values: dict[str, object],
) -> None:
    statement = insert(cases).values(kind=kind, object_id=object_id, **values)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["kind", "object_id"], set_=values)
    )
