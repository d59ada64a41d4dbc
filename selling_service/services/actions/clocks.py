"""What the clock decides: terms that are over, scheduled terminations, retention, debts."""

from datetime import timedelta
from uuid import UUID

from selling_service.ledger.models import BOOKS
from selling_service.services import queries
from selling_service.services.actions.aftermath import purge_later
from selling_service.services.actions.operations import (
    FOREVER,
    Wish,
    announce,
    move,
    open_operation,
)
from selling_service.services.actions.suspend import resume, suspend
from selling_service.services.actions.terms import EXPIRE_JOB
from selling_service.services.models import ServiceRow
from selling_service.services.rules import ENDING, LIVE, Side
from shared.contract.basics import Actor, CommandKind, ServiceState, SuspensionReason
from shared.contract.events import EventType
from shared.kit.db import ReadSession, WriteSession
from shared.kit.jobs import enqueue


async def expire(
    session: WriteSession, partner_id: UUID, *, service_id: UUID, slack: timedelta
) -> None:
    """Suspend a service whose term ended more than `slack` ago; decided under the row lock."""
    service = await queries.find_service(session, partner_id, service_id=service_id, lock=True)
    if service is None or service.paid_until is None or service.state not in LIVE:
        return
    due = service.paid_until + slack
    if due > session.clock.now():
        await enqueue(
            session,
            EXPIRE_JOB,
            payload={"service_id": service.id},
            tenant_id=partner_id,
            run_at=due,
            dedupe_key=f"expire:{service.id}",
            max_attempts=FOREVER,
        )
        return
    await _suspend_by_clock(session, service, Actor.EXPIRED)


async def _suspend_by_clock(session: WriteSession, service: ServiceRow, actor: Actor) -> None:
    """Suspend where this actor's suspension doesn't stand yet and the service still lives."""
    standing = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
    pending = await queries.open_operations(session, service.partner_id, service_id=service.id)
    ending = any(row.kind in ENDING for row in pending)
    if ending or service.state not in LIVE or any(row.actor == actor for row in standing):
        return
    await suspend(
        session,
        service,
        actor=actor,
        reason=SuspensionReason.UNPAID,
        wish=Wish(actor=actor),
    )


async def terminate_due(session: WriteSession, partner_id: UUID, *, service_id: UUID) -> None:
    """Carry out a termination that was scheduled for the end of the term."""
    service = await queries.find_service(session, partner_id, service_id=service_id, lock=True)
    if service is None or service.terminate_at is None or service.state not in LIVE:
        return
    if service.terminate_at > session.clock.now():
        return
    side = service.terminated_by or Side.PARTNER
    service.terminate_at = service.terminated_by = None
    operation = await open_operation(
        session,
        service,
        CommandKind.TERMINATE,
        Wish(actor="schedule"),
        parameters={"side": side},
    )
    await announce(session, service, EventType.ACCEPTED, operation)


async def delete_due(session: WriteSession, partner_id: UUID, *, service_id: UUID) -> None:
    """End the retention: `deleted` is committed before the platform deletes anything."""
    service = await queries.find_service(session, partner_id, service_id=service_id, lock=True)
    if service is None or service.state != ServiceState.TERMINATED:
        return
    pending = await queries.open_operations(session, partner_id, service_id=service_id)
    restoring = any(row.kind == CommandKind.RESTORE for row in pending)
    if restoring or service.delete_at is None or service.delete_at > session.clock.now():
        return
    move(service, ServiceState.DELETED)
    service.content = None
    await purge_later(session, service)
    await announce(session, service, EventType.DELETED, None)


async def in_debt(session: ReadSession, partner_id: UUID) -> bool:
    """Whether the partner owes more than its credit limit."""
    balance = await BOOKS.balance(session, owner=partner_id)
    return balance.balance + balance.credit_limit < 0


async def follow_debt(
    session: WriteSession, partner_id: UUID, *, service_id: UUID, debt: bool
) -> None:
    """Set or lift `partner_debt` on one service."""
    service = await queries.find_service(session, partner_id, service_id=service_id, lock=True)
    if service is None or service.state not in LIVE:
        return
    if debt:
        await _suspend_by_clock(session, service, Actor.PARTNER_DEBT)
        return
    standing = await queries.suspensions_of(session, partner_id, service_id=service_id)
    pending = await queries.open_operations(session, partner_id, service_id=service_id)
    if any(row.kind in ENDING for row in pending):
        # It is looked at again if it lives on; the others must not wait for it.
        return
    if any(row.actor == Actor.PARTNER_DEBT for row in standing):
        wish = Wish(actor=Actor.PARTNER_DEBT)
        await resume(session, service, actor=Actor.PARTNER_DEBT, wish=wish)
