"""Writes and lists the audit: one entry per change, in the change's own transaction.

The database makes a chain of the entries when they are committed; `chain` verifies it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import select, text

from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.people.principals import Doer, StaffPrincipal
from shared.kit.people.tables import AuditColumns, People
from shared.kit.telemetry import current_request_id, current_trace

REDACTION = "audit.redact"
_SECRETS = ("password", "secret", "token")
_HIDDEN = "[hidden]"


async def audit(
    session: WriteSession,
    people: People,
    doer: Doer,
    action: str,
    *,
    object_type: str,
    object_id: UUID | str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> UUID:
    """Remember a change, e.g. `partner.block` of a `partner`; the entry's id.

    `before` and `after` hold what changed as JSON can say it, dates and ids included; values whose
    name speaks of a password, secret or token are hidden.
    """
    entry = people.audit()
    entry.id, entry.at = new_id(), session.clock.now()
    person = isinstance(doer, StaffPrincipal)
    entry.actor_kind = "staff" if person else str(doer)
    entry.actor_id = doer.id if isinstance(doer, StaffPrincipal) else None
    entry.action, entry.object_type, entry.object_id = action, object_type, str(object_id)
    entry.before, entry.after = without_secrets(before), without_secrets(after)
    entry.request_id = current_request_id()
    entry.traceparent = current_trace().header()
    session.add(entry)
    await session.flush()
    return entry.id


class Audit:
    """The audit of one service, e.g. `await audit(session, staff, "thing.change", …)`.

    Where nobody has logged in, `doer` is `Unattended.CLI` or `Unattended.SYSTEM`.
    """

    def __init__(self, people: People) -> None:
        self._people = people

    async def __call__(
        self,
        session: WriteSession,
        doer: Doer,
        action: str,
        *,
        object_type: str,
        object_id: UUID | str,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Remember a change in its own transaction."""
        await audit(
            session,
            self._people,
            doer,
            action,
            object_type=object_type,
            object_id=object_id,
            before=before,
            after=after,
        )


async def redact_audit(
    session: WriteSession,
    people: People,
    doer: Doer,
    entry_ids: Sequence[UUID],
    *,
    object_type: str,
    object_id: UUID | str,
) -> int:
    """Take `before` and `after` out of entries about an object, for ever; out of how many.

    That it was done, for which entries and by whom is an entry of its own, `audit.redact`. The
    chain still verifies: it holds a salted hash of the content, and the salt goes, too. Entries of
    this same transaction, redacted ones and records of redactions are left as they are.
    """
    record = await audit(
        session,
        people,
        doer,
        REDACTION,
        object_type=object_type,
        object_id=object_id,
        after={"entries": [str(entry_id) for entry_id in entry_ids]},
    )
    statement = text("SELECT audit_redact(:record, :at)")
    # The record's own time, to the microsecond: that is how the chain tells that they belong.
    at = await session.scalar(select(people.audit.at).where(people.audit.id == record))
    bound = {"record": record, "at": at}
    done: int = (await session.execute(statement, bound)).scalar_one()
    return done


def without_secrets(values: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """As JSON; what is named a password, secret or token is hidden."""
    if values is None:
        return None
    kept: dict[str, Any] = to_jsonable_python(_hide(values))
    return kept


def _hide(value: object) -> object:
    """Nested values too."""
    if isinstance(value, Mapping):
        return {
            str(name): _HIDDEN if any(word in str(name) for word in _SECRETS) else _hide(inner)
            for name, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_hide(inner) for inner in value]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries are wanted; None stands for all."""

    object_type: str | None = None
    object_id: str | None = None
    actor_id: UUID | None = None


async def list_audit(
    session: ReadSession,
    people: People,
    wanted: AuditFilter,
    *,
    after: UUID | None,
    limit: int,
) -> Sequence[AuditColumns]:
    """Up to `limit + 1` entries, oldest first."""
    table = people.audit
    statement = select(table).order_by(table.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(table.id > after)
    if wanted.object_type is not None:
        statement = statement.where(table.object_type == wanted.object_type)
    if wanted.object_id is not None:
        statement = statement.where(table.object_id == wanted.object_id)
    if wanted.actor_id is not None:
        statement = statement.where(table.actor_id == wanted.actor_id)
    return (await session.scalars(statement)).all()
