"""What staff do about things on the desk: retry, give up, hand over, dismiss; each audited."""

from typing import Any
from uuid import UUID

from selling_service.database import Job
from selling_service.desk.models import DeskCase
from selling_service.desk.queries import DeskFilter, list_desk
from selling_service.desk.rules import DeskKind, actions_of
from selling_service.services.actions.staff import give_up_operation, retry_operation
from selling_service.staff.actions import audit
from selling_service.staff.models import PEOPLE
from selling_service.staff.rules import KEPT_JOBS
from shared.contract.problems import ProblemType
from shared.kit.db import ReadSession, WriteSession
from shared.kit.desk import (
    NOT_DISMISSIBLE,
    NOT_GIVEN_UP,
    NOT_RETRYABLE,
    Action,
    dismiss,
    hand_over,
)
from shared.kit.people import StaffPrincipal
from shared.kit.people.stuck_jobs import discard, revive
from shared.kit.problems import ProblemError, not_found

_INSTEAD: dict[Action, ProblemType] = {
    Action.RETRY: NOT_RETRYABLE,
    Action.GIVE_UP: NOT_GIVEN_UP,
    Action.DISMISS: NOT_DISMISSIBLE,
}


async def find_item(session: ReadSession, *, kind: DeskKind, item_id: UUID) -> Any:  # noqa: ANN401
    """A row of the desk. Raises `not_found`, also for what needs nobody any more."""
    rows = await list_desk(session, DeskFilter(kind=kind, id=item_id), after=None, limit=1)
    if not rows:
        raise not_found("item on the desk")
    return rows[0]


async def retry(
    session: WriteSession, staff: StaffPrincipal, *, kind: DeskKind, item_id: UUID, reason: str
) -> None:
    """Try again now, with all attempts. Raises `not_found`, `not_retryable`."""
    await _check(session, kind, item_id, Action.RETRY)
    if kind is DeskKind.OPERATION:
        await retry_operation(session, staff, operation_id=item_id, reason=reason)
        return
    await revive(session, PEOPLE, staff, Job, job_id=_job_id(item_id))
    await _audit(session, staff, "job.retry", (kind, item_id), reason=reason)


async def give_up(
    session: WriteSession, staff: StaffPrincipal, *, kind: DeskKind, item_id: UUID, reason: str
) -> None:
    """End what waits; the money goes back on both sides. Raises `not_found`, `not_given_up`."""
    await _check(session, kind, item_id, Action.GIVE_UP)
    if kind is DeskKind.OPERATION:
        await give_up_operation(session, staff, operation_id=item_id, reason=reason)
        return
    await discard(
        session,
        PEOPLE,
        staff,
        Job,
        job_id=_job_id(item_id),
        reason=reason,
        kept=KEPT_JOBS,
    )


async def hand_over_item(
    session: WriteSession,
    staff: StaffPrincipal,
    *,
    kind: DeskKind,
    item_id: UUID,
    to: UUID | None,
    reason: str,
) -> None:
    """Let somebody of the staff hold it. Raises `not_found`, `no_such_person`."""
    row = await find_item(session, kind=kind, item_id=item_id)
    await hand_over(session, DeskCase, PEOPLE, kind=kind, object_id=item_id, to=to, note=reason)
    await _audit(
        session,
        staff,
        "desk.hand_over",
        (kind, item_id),
        before=row.holder_id,
        to=to,
        reason=reason,
    )


async def dismiss_item(
    session: WriteSession, staff: StaffPrincipal, *, kind: DeskKind, item_id: UUID, reason: str
) -> None:
    """Take what has ended off the desk. Raises `not_found`, `not_dismissible`."""
    await _check(session, kind, item_id, Action.DISMISS)
    await dismiss(session, DeskCase, kind=kind, object_id=item_id)
    await _audit(session, staff, "desk.dismiss", (kind, item_id), reason=reason)


async def _check(session: ReadSession, kind: DeskKind, item_id: UUID, action: Action) -> Any:  # noqa: ANN401
    row = await find_item(session, kind=kind, item_id=item_id)
    possible = sorted(actions_of(kind=row.kind, state=row.state, what=row.what))
    if action not in possible:
        detail = f"It is {row.state}. What can be done about it: {', '.join(possible)}."
        raise ProblemError(_INSTEAD[action], detail)
    return row


def _job_id(item_id: UUID) -> int:
    return item_id.int


async def _audit(
    session: WriteSession,
    staff: StaffPrincipal,
    action: str,
    item: tuple[DeskKind, UUID],
    *,
    before: UUID | None = None,
    **after: object,
) -> None:
    await audit(
        session,
        staff,
        action,
        object_type=str(item[0]),
        object_id=item[1],
        before={"to": before} if before else None,
        after=after,
    )
