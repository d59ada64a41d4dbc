"""Reads services, operations and suspensions, and puts them into the contract's shapes.

The partner comes first; `None` as partner is the provider's staff, who see all.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Select, func, select, tuple_

from selling_service.database import Job
from selling_service.services.models import (
    OperationRow,
    ReceivedCommand,
    ServiceRow,
    SuspensionRow,
)
from selling_service.services.rules import GONE, OUTDONE_BY, Pending
from shared.contract.basics import CommandKind, OperationState, ServiceState, TerminateWhen
from shared.contract.problems import CURSOR_INVALID
from shared.kit.db import ReadSession
from shared.kit.problems import ProblemError

_FRESH = {"populate_existing": True}


async def find_service(
    session: ReadSession,
    partner_id: UUID | None,
    *,
    service_id: UUID | None = None,
    service_ref: UUID | None = None,
    lock: bool = False,
) -> ServiceRow | None:
    """A service by our id or by the partner's reference."""
    statement = select(ServiceRow).execution_options(**_FRESH)
    if partner_id is not None:
        statement = statement.where(ServiceRow.partner_id == partner_id)
    if service_id is not None:
        statement = statement.where(ServiceRow.id == service_id)
    if service_ref is not None:
        statement = statement.where(ServiceRow.service_ref == service_ref)
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def suspensions_of(
    session: ReadSession, partner_id: UUID, *, service_id: UUID
) -> list[SuspensionRow]:
    """What stands, oldest first."""
    statement = (
        select(SuspensionRow)
        .where(SuspensionRow.partner_id == partner_id, SuspensionRow.service_id == service_id)
        .order_by(SuspensionRow.since, SuspensionRow.actor)
        .execution_options(**_FRESH)
    )
    return list((await session.scalars(statement)).all())


async def suspensions_by_service(
    session: ReadSession, partner_id: UUID | None, *, service_ids: Sequence[UUID]
) -> dict[UUID, list[SuspensionRow]]:
    """What stands on each of these services."""
    statement = (
        select(SuspensionRow)
        .where(SuspensionRow.service_id.in_(service_ids))
        .order_by(SuspensionRow.since, SuspensionRow.actor)
    )
    if partner_id is not None:
        statement = statement.where(SuspensionRow.partner_id == partner_id)
    found: dict[UUID, list[SuspensionRow]] = {}
    for row in (await session.scalars(statement)).all():
        found.setdefault(row.service_id, []).append(row)
    return found


async def open_operations(
    session: ReadSession, partner_id: UUID, *, service_id: UUID
) -> list[OperationRow]:
    """Accepted operations that haven't ended, in the order of acceptance."""
    statement = (
        select(OperationRow)
        .where(
            OperationRow.partner_id == partner_id,
            OperationRow.service_id == service_id,
            OperationRow.finished_at.is_(None),
        )
        .order_by(OperationRow.id)
        .execution_options(**_FRESH)
    )
    return list((await session.scalars(statement)).all())


async def is_outdone(session: ReadSession, operation: OperationRow) -> bool:
    """Whether a later operation of its kind has succeeded: it was given up and is tried again."""
    kinds = OUTDONE_BY.get(CommandKind(operation.kind))
    if kinds is None:
        return False
    statement = select(OperationRow.id).where(
        OperationRow.partner_id == operation.partner_id,
        OperationRow.service_id == operation.service_id,
        OperationRow.id > operation.id,
        OperationRow.kind.in_(kinds),
        OperationRow.state == OperationState.SUCCEEDED,
    )
    return (await session.scalars(statement.limit(1))).one_or_none() is not None


async def find_given_up(session: ReadSession, operations: Sequence[OperationRow]) -> set[UUID]:
    """Ids of those whose attempts are used up: nothing happens until staff retry them."""
    ids = [row.job_id for row in operations if row.finished_at is None]
    dead = select(Job.id).where(Job.id.in_(ids), Job.state == "dead")
    found = set((await session.scalars(dead)).all())
    return {row.id for row in operations if row.job_id in found}


def pending(operations: Sequence[OperationRow]) -> list[Pending]:
    """As the rules want them."""
    return [
        Pending(
            CommandKind(row.kind),
            TerminateWhen(row.parameters.get("when", TerminateWhen.NOW)),
        )
        for row in operations
    ]


async def find_operation(
    session: ReadSession, partner_id: UUID | None, *, operation_id: UUID, lock: bool = False
) -> OperationRow | None:
    """An operation by its id."""
    statement = (
        select(OperationRow).where(OperationRow.id == operation_id).execution_options(**_FRESH)
    )
    if partner_id is not None:
        statement = statement.where(OperationRow.partner_id == partner_id)
    if lock:
        statement = statement.with_for_update()
    return (await session.scalars(statement)).one_or_none()


async def order_operation(
    session: ReadSession, partner_id: UUID, *, service_id: UUID
) -> OperationRow:
    """The operation that made this service."""
    statement = (
        select(OperationRow)
        .where(
            OperationRow.partner_id == partner_id,
            OperationRow.service_id == service_id,
            OperationRow.kind == CommandKind.ORDER,
        )
        .execution_options(**_FRESH)
    )
    return (await session.scalars(statement)).one()


async def find_received(
    session: ReadSession, partner_id: UUID, *, command_id: UUID
) -> ReceivedCommand | None:
    """A command as it is remembered."""
    statement = select(ReceivedCommand).where(
        ReceivedCommand.tenant_id == partner_id, ReceivedCommand.command_id == command_id
    )
    return (await session.scalars(statement)).one_or_none()


async def list_services(
    session: ReadSession,
    partner_id: UUID | None,
    *,
    limit: int,
    after: UUID | None,
    client_ref: UUID | None = None,
    state: ServiceState | None = None,
    installation_id: UUID | None = None,
    of_partner: UUID | None = None,
    refs: tuple[UUID, UUID] | None = None,
) -> Sequence[ServiceRow]:
    """Up to `limit + 1` services, oldest first.

    `of_partner` is the staff's filter, `refs` the first and the last `service_ref` of a range.
    """
    place = (ServiceRow.created_at, ServiceRow.id)
    statement = select(ServiceRow).order_by(*place).limit(limit + 1)
    for column, value in (
        (ServiceRow.partner_id, partner_id),
        (ServiceRow.partner_id, of_partner),
        (ServiceRow.client_ref, client_ref),
        (ServiceRow.state, state),
        (ServiceRow.installation_id, installation_id),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if after is not None:
        last = select(ServiceRow.created_at).where(ServiceRow.id == after)
        if partner_id is not None:
            last = last.where(ServiceRow.partner_id == partner_id)
        seen = await session.scalar(last)
        if seen is None:
            detail = "Use the `next` of the page before, or leave `after` out."
            raise ProblemError(CURSOR_INVALID, detail)
        statement = statement.where(tuple_(*place) > tuple_(seen, after))
    if refs is not None:
        statement = statement.where(ServiceRow.service_ref.between(*refs))
    return (await session.scalars(statement)).all()


async def list_operations(
    session: ReadSession,
    partner_id: UUID | None,
    *,
    limit: int,
    after: UUID | None,
    service_id: UUID | None = None,
    state: str | None = None,
) -> Sequence[OperationRow]:
    """Up to `limit + 1` operations, oldest first."""
    statement: Select[OperationRow] = (
        select(OperationRow).order_by(OperationRow.id).limit(limit + 1)
    )
    if partner_id is not None:
        statement = statement.where(OperationRow.partner_id == partner_id)
    if service_id is not None:
        statement = statement.where(OperationRow.service_id == service_id)
    if state is not None:
        statement = statement.where(OperationRow.state == state)
    if after is not None:
        statement = statement.where(OperationRow.id > after)
    return (await session.scalars(statement)).all()


async def count_kept(session: ReadSession, partner_id: UUID, *, account_id: UUID) -> int:
    """How many services of this account still exist on a platform."""
    statement = select(func.count()).where(
        ServiceRow.partner_id == partner_id,
        ServiceRow.account_id == account_id,
        ServiceRow.state.not_in(GONE),
    )
    return int(await session.scalar(statement) or 0)


async def live_service_ids(session: ReadSession, partner_id: UUID) -> list[UUID]:
    """Services of a partner that a debt would stop."""
    statement = select(ServiceRow.id).where(
        ServiceRow.partner_id == partner_id,
        ServiceRow.state.not_in({*GONE, ServiceState.TERMINATED}),
    )
    return list((await session.scalars(statement)).all())
