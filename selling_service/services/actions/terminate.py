"""Terminates now or at the end of the term, and restores what is still retained."""

from selling_service.ledger.models import BOOKS
from selling_service.services import queries
from selling_service.services.actions.operations import (
    FOREVER,
    Wish,
    announce,
    done_at_once,
    open_operation,
    refuse,
)
from selling_service.services.actions.suspend import check_allowed
from selling_service.services.actions.terms import check_price, renewal_price
from selling_service.services.models import OperationRow, ServiceRow
from selling_service.services.rules import ENDING, GONE, Side, may_restore
from shared.contract.basics import CommandKind, ServiceState, TerminateWhen
from shared.contract.events import EventType
from shared.contract.services import RestoreRequest
from shared.kit.bookkeeping import Posting
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import cancel_jobs, enqueue

TERMINATE_JOB = "service_terminate_due"
DELETE_JOB = "service_delete_due"


async def terminate(
    session: WriteSession,
    service: ServiceRow,
    *,
    when: TerminateWhen,
    side: Side,
    wish: Wish,
) -> OperationRow:
    """End the service. Raises `wrong_state`."""
    state = await check_allowed(session, service, CommandKind.TERMINATE)
    ended = state is ServiceState.TERMINATED or state in GONE
    if ended and not (side is Side.PROVIDER and await _may_be_taken_back(session, service)):
        if side is Side.PROVIDER and service.state == ServiceState.TERMINATED:
            # From now on only the provider takes it back: an abusive VM must not be restored.
            service.terminated_by = side
        operation = done_at_once(session, service, CommandKind.TERMINATE, wish)
        await announce(session, service, EventType.TERMINATED, operation)
        return operation
    if service.terminate_at is not None and service.terminated_by == Side.PROVIDER:
        # What the provider has scheduled stays the provider's, whoever hastens it.
        side = Side.PROVIDER
    if when is TerminateWhen.PERIOD_END:
        return await _at_period_end(session, service, side, wish)
    await cancel_scheduled(session, service)
    operation = await open_operation(
        session, service, CommandKind.TERMINATE, wish, parameters={"side": side}
    )
    await announce(session, service, EventType.ACCEPTED, operation)
    return operation


async def _may_be_taken_back(session: WriteSession, service: ServiceRow) -> bool:
    """Whether the end that is on its way is the partner's, who may still cancel it."""
    pending = await queries.open_operations(session, service.partner_id, service_id=service.id)
    endings = [row for row in pending if row.kind == CommandKind.TERMINATE]
    return bool(endings) and endings[-1].parameters.get("side") != Side.PROVIDER


async def _at_period_end(
    session: WriteSession, service: ServiceRow, side: Side, wish: Wish
) -> OperationRow:
    if service.paid_until is None:
        why = "There is no term yet that could end. Terminate now, or wait until it is active."
        raise refuse(CommandKind.TERMINATE, ServiceState(service.state), why)
    pending = await queries.open_operations(session, service.partner_id, service_id=service.id)
    if any(row.kind in ENDING for row in pending):
        # The end on its way would swallow the schedule, and with it who has ended the service.
        why = "A termination or restore is on its way. Terminate now, or schedule when it is done."
        raise refuse(CommandKind.TERMINATE, ServiceState(service.state), why)
    service.terminate_at = service.paid_until
    service.terminated_by = side
    await enqueue(
        session,
        TERMINATE_JOB,
        payload={"service_id": service.id},
        tenant_id=service.partner_id,
        run_at=service.terminate_at,
        dedupe_key=f"terminate:{service.id}",
        max_attempts=FOREVER,
    )
    operation = done_at_once(session, service, CommandKind.TERMINATE, wish)
    await announce(session, service, EventType.TERMINATION_SCHEDULED, operation)
    return operation


async def cancel_scheduled(session: WriteSession, service: ServiceRow) -> None:
    """Forget a termination at the end of the term."""
    if service.terminate_at is not None:
        service.terminate_at = service.terminated_by = None
        await cancel_jobs(session, dedupe_key=f"terminate:{service.id}")


async def restore(
    session: WriteSession,
    service: ServiceRow,
    request: RestoreRequest,
    *,
    side: Side,
    wish: Wish,
    currency: str,
) -> OperationRow:
    """Take a termination back.

    A scheduled one is just forgotten; a terminated service is built up again, which needs a term
    beyond the present or a renewal in the same command (held now, captured when it runs).
    Raises `wrong_state`, `price_above_max`, `insufficient_balance`.
    """
    outlook = await check_allowed(session, service, CommandKind.RESTORE)
    if outlook is not ServiceState.TERMINATED:
        # It lives, or will: only a scheduled termination is left to be forgotten.
        if service.terminate_at is not None:
            _check_side(service, terminated_by=service.terminated_by, side=side)
        await cancel_scheduled(session, service)
        operation = done_at_once(session, service, CommandKind.RESTORE, wish)
        await announce(session, service, EventType.RESTORED, operation)
        return operation
    await _check_restorable(session, service, request, side)
    operation_id = new_id()
    operation = await open_operation(
        session, service, CommandKind.RESTORE, wish, operation_id=operation_id
    )
    await cancel_jobs(session, dedupe_key=f"delete:{service.id}")
    if request.renew:
        amount = await renewal_price(session, service)
        check_price(amount, request.max_price, currency=currency)
        posting = Posting(
            kind="renewal", text="Renewal", reference=operation_id, service_id=service.id
        )
        await session.flush()
        hold = await BOOKS.hold(session, owner=service.partner_id, amount=amount, posting=posting)
        operation.hold_id = hold.id
        operation.parameters = {"amount": amount}
    await announce(session, service, EventType.ACCEPTED, operation)
    return operation


async def _check_restorable(
    session: WriteSession, service: ServiceRow, request: RestoreRequest, side: Side
) -> None:
    now = session.clock.now()
    state = ServiceState(service.state)
    pending = await queries.open_operations(session, service.partner_id, service_id=service.id)
    ending = [row for row in pending if row.kind == CommandKind.TERMINATE]
    if service.activated_at is None:
        why = "It was never active, so nothing of it is kept."
        raise refuse(CommandKind.RESTORE, state, why)
    if not ending and (service.delete_at is None or service.delete_at <= now):
        why = "The retention is over."
        raise refuse(CommandKind.RESTORE, state, why)
    # A restore that is to come first may come to nothing, and leave the earlier end standing.
    sides = {service.terminated_by, *(row.parameters.get("side") for row in ending)}
    terminated_by = Side.PROVIDER if Side.PROVIDER in sides else Side.PARTNER
    _check_side(service, terminated_by=terminated_by, side=side)
    if not request.renew and (service.paid_until is None or service.paid_until <= now):
        why = "The paid term is over. Restore it with `renew: true`."
        raise refuse(CommandKind.RESTORE, state, why)


def _check_side(service: ServiceRow, *, terminated_by: str | None, side: Side) -> None:
    if not may_restore(terminated_by=terminated_by, side=side):
        why = "The other side terminated it; only they can restore it."
        raise refuse(CommandKind.RESTORE, ServiceState(service.state), why)
