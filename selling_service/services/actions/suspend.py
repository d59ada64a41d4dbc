"""Suspends and resumes: one row per service and actor, standing from its acceptance."""

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from selling_service.services import queries, schemas
from selling_service.services.actions.operations import (
    Wish,
    announce,
    done_at_once,
    open_operation,
    refuse,
    supersede_queued,
)
from selling_service.services.errors import blocked_by
from selling_service.services.models import OperationRow, ServiceRow, SuspensionRow
from selling_service.services.rules import ALLOWED, project
from shared.contract.basics import (
    Actor,
    CommandKind,
    PowerState,
    ServiceState,
    SuspensionReason,
)
from shared.contract.events import EventType
from shared.kit.db import WriteSession


async def suspend(
    session: WriteSession,
    service: ServiceRow,
    *,
    actor: Actor,
    reason: SuspensionReason,
    wish: Wish,
) -> OperationRow:
    """Suspend in the name of `actor`. Queued starts are superseded. Raises `wrong_state`."""
    await check_allowed(session, service, CommandKind.SUSPEND)
    stopped = await _is_stopped(session, service)
    added = await session.scalar(
        insert(SuspensionRow)
        .values(
            service_id=service.id,
            actor=actor,
            partner_id=service.partner_id,
            reason=reason,
            since=session.clock.now(),
        )
        .on_conflict_do_nothing()
        .returning(SuspensionRow.service_id)
    )
    if added is None and stopped:
        operation = done_at_once(session, service, CommandKind.SUSPEND, wish)
        await announce(session, service, EventType.SUSPENDED, operation)
        return operation
    superseded = await supersede_queued(session, service)
    operation = await open_operation(
        session, service, CommandKind.SUSPEND, wish, parameters={"actor": actor}
    )
    for ended in superseded:
        await announce(session, service, EventType.SUPERSEDED, ended)
    await announce(session, service, EventType.ACCEPTED, operation)
    return operation


async def resume(
    session: WriteSession, service: ServiceRow, *, actor: Actor, wish: Wish
) -> OperationRow:
    """Lift the suspension of `actor`.

    Where others' remain, it succeeds with `running: false` and names them. Raises
    `blocked_by_suspensions` where only others' stand, `wrong_state`.
    """
    await check_allowed(session, service, CommandKind.RESUME)
    lifted = await session.scalar(
        delete(SuspensionRow)
        .where(
            SuspensionRow.partner_id == service.partner_id,
            SuspensionRow.service_id == service.id,
            SuspensionRow.actor == actor,
        )
        .returning(SuspensionRow.service_id)
    )
    rows = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
    left = [schemas.suspension(row) for row in rows]
    if left and lifted is None:
        raise blocked_by(left)
    if left or (lifted is None and not await _was_left_locked(session, service)):
        result = {
            "running": not left and service.power == PowerState.RUNNING,
            "blockers": [item.model_dump(mode="json") for item in left],
        }
        operation = done_at_once(session, service, CommandKind.RESUME, wish, result=result)
        await announce(session, service, EventType.RESUMED, operation)
        return operation
    operation = await open_operation(
        session, service, CommandKind.RESUME, wish, parameters={"actor": actor}
    )
    await announce(session, service, EventType.ACCEPTED, operation)
    return operation


async def _is_stopped(session: WriteSession, service: ServiceRow) -> bool:
    """Whether an earlier suspension has been carried out, and nothing is on its way."""
    if service.state != ServiceState.SUSPENDED or service.power != PowerState.STOPPED:
        return False
    return not await queries.open_operations(session, service.partner_id, service_id=service.id)


async def _was_left_locked(session: WriteSession, service: ServiceRow) -> bool:
    """Whether nobody suspends it any more, but the resume that was to free it has failed."""
    if service.state != ServiceState.SUSPENDED:
        return False
    pending = await queries.open_operations(session, service.partner_id, service_id=service.id)
    return not any(row.kind == CommandKind.RESUME for row in pending)


async def check_allowed(
    session: WriteSession, service: ServiceRow, kind: CommandKind
) -> ServiceState:
    """The state after all that is pending. Raises `wrong_state` where that doesn't allow it."""
    operations = await queries.open_operations(session, service.partner_id, service_id=service.id)
    suspensions = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
    outlook = project(
        state=ServiceState(service.state),
        wanted_power=PowerState(service.wanted_power),
        suspended=bool(suspensions),
        pending=queries.pending(operations),
    )
    if kind in ALLOWED[outlook.state]:
        return outlook.state
    if kind in {CommandKind.START, CommandKind.RESTART} and suspensions:
        raise blocked_by([schemas.suspension(row) for row in suspensions])
    raise refuse(kind, outlook.state)
