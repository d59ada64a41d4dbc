"""What stands on a desk, and what staff do with any of it: hand over, dismiss, unpark; audited.

What trying again and giving up mean is each service's own affair.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from shared.kit.db import ReadSession, WriteSession
from shared.kit.desk.cases import (
    NOT_DISMISSIBLE,
    NOT_GIVEN_UP,
    NOT_RETRYABLE,
    dismiss,
    hand_over,
)
from shared.kit.desk.checking import MoneyCheck
from shared.kit.desk.words import Action
from shared.kit.people import StaffPrincipal, audit
from shared.kit.problems import ProblemError, not_found

_INSTEAD = {
    Action.RETRY: NOT_RETRYABLE,
    Action.GIVE_UP: NOT_GIVEN_UP,
    Action.DISMISS: NOT_DISMISSIBLE,
}


class ItemKey(NamedTuple):
    """What names something on the desk."""

    kind: str
    id: UUID


class FindRow(Protocol):
    """Its row of the desk's statement; None where it needs nobody (any more)."""

    async def __call__(
        self, session: ReadSession, staff: StaffPrincipal, key: ItemKey, /
    ) -> Any: ...  # noqa: ANN401


class ActionsOf(Protocol):
    """What can be done about something."""

    def __call__(self, *, kind: str, state: str, what: str) -> Iterable[Action]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskItems:
    """The desk of one service. Its cases and its people are those of its `money`."""

    money: MoneyCheck
    find_row: FindRow
    actions_of: ActionsOf

    async def find(self, session: ReadSession, staff: StaffPrincipal, key: ItemKey) -> Any:  # noqa: ANN401
        """Its row. Raises `not_found`, also for what needs nobody any more."""
        row = await self.find_row(session, staff, key)
        if row is None:
            raise not_found("item on the desk")
        return row

    async def check(
        self, session: ReadSession, staff: StaffPrincipal, key: ItemKey, action: Action
    ) -> None:
        """Raise `not_found`, or the action's own problem where it can't be done now."""
        row = await self.find(session, staff, key)
        possible = sorted(self.actions_of(kind=row.kind, state=row.state, what=row.what))
        if action not in possible:
            detail = f"It is {row.state}. What can be done about it: {', '.join(possible)}."
            raise ProblemError(_INSTEAD[action], detail)

    async def hand_over(
        self,
        session: WriteSession,
        staff: StaffPrincipal,
        key: ItemKey,
        *,
        to: UUID | None,
        reason: str,
    ) -> None:
        """Let somebody of the staff hold it. Raises `not_found`, `no_such_person`."""
        row = await self.find(session, staff, key)
        cases, people = self.money.cases, self.money.people
        await hand_over(session, cases, people, kind=key.kind, object_id=key.id, to=to, note=reason)
        before = {"to": row.holder_id} if row.holder_id else None
        await self.audit(session, staff, "desk.hand_over", key, before=before, to=to, reason=reason)

    async def dismiss(
        self, session: WriteSession, staff: StaffPrincipal, key: ItemKey, *, reason: str
    ) -> None:
        """Take what has ended off the desk. Raises `not_found`, `not_dismissible`."""
        await self.check(session, staff, key, Action.DISMISS)
        await dismiss(session, self.money.cases, kind=key.kind, object_id=key.id)
        await self.audit(session, staff, "desk.dismiss", key, reason=reason)

    async def unpark(
        self,
        session: WriteSession,
        staff: StaffPrincipal,
        key: ItemKey,
        *,
        reason: str,
        settled_by_hand: bool,
    ) -> None:
        """Let it go on. Raises `not_found`, `not_parked`, `still_wrong` with the evidence."""
        await self.find(session, staff, key)
        await self.money.unpark(
            session,
            staff,
            kind=key.kind,
            item_id=key.id,
            reason=reason,
            settled_by_hand=settled_by_hand,
        )

    async def audit(
        self,
        session: WriteSession,
        staff: StaffPrincipal,
        action: str,
        key: ItemKey,
        *,
        before: dict[str, object] | None = None,
        **after: object,
    ) -> None:
        """Remember what was done about it."""
        await audit(
            session,
            self.money.people,
            staff,
            action,
            object_type=key.kind,
            object_id=key.id,
            before=before,
            after=after,
        )
