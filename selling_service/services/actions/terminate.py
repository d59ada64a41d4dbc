"""Terminates now or at the end of the term, and restores what is still retained."""

from selling_service.ledger.models import BOOKS
from selling_service.services import queries
from selling_service.services.actions.operations import (
    Wish,
    announce,
    done_at_once,
    open_operation,
    refuse,
)
from selling_service.services.actions.suspend import check_allowed
from selling_service.services.actions.terms import check_price, renewal_price
from selling_service.services.models import OperationRow, ServiceRow
from selling_service.services.rules import Side, may_restore
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
    if state in {ServiceState.TERMINATED, ServiceState.DELETED, ServiceState.FAILED}:
        operation = done_at_once(session, service, CommandKind.TERMINATE, wish)
        await announce(session, service, EventType.TERMINATED, operation)
        return operation
    if when is TerminateWhen.PERIOD_END:
        return await _at_period_end(session, service, side, wish)
    await cancel_scheduled(session, service)
    operation = await open_operation(
        session, service, CommandKind.TERMINATE, wish, parameters={"side": side}
    )
    await announce(session, service, EventType.ACCEPTED, operation)
    return operation


async def _at_period_end(
    session: WriteSession, service: ServiceRow, side: Side, wish: Wish
) -> OperationRow:
    if service.paid_until is None:
        why = "There is no term yet that could end. Terminate now, or wait until it is active."
        raise refuse(CommandKind.TERMINATE, ServiceState(service.state), why)
    service.terminate_at = service.paid_until
    await enqueue(
        session,
        TERMINATE_JOB,
        payload={"service_id": service.id, "side": side},
        tenant_id=service.partner_id,
        run_at=service.terminate_at,
        dedupe_key=f"terminate:{service.id}",
    )
    operation = done_at_once(session, service, CommandKind.TERMINATE, wish)
    await announce(session, service, EventType.TERMINATION_SCHEDULED, operation)
    return operation


async def cancel_scheduled(session: WriteSession, service: ServiceRow) -> None:
    """Forget a termination at the end of the term."""
    if service.terminate_at is not None:
        service.terminate_at = None
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
    await check_allowed(session, service, CommandKind.RESTORE)
    pending = await queries.open_operations(session, service.partner_id, service_id=service.id)
    restoring = any(row.kind == CommandKind.RESTORE for row in pending)
    if (service.state != ServiceState.TERMINATED and not pending) or restoring:
        await cancel_scheduled(session, service)
        operation = done_at_once(session, service, CommandKind.RESTORE, wish)
        await announce(session, service, EventType.RESTORED, operation)
        return operation
    _check_restorable(session, service, request, side)
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


def _check_restorable(
    session: WriteSession, service: ServiceRow, request: RestoreRequest, side: Side
) -> None:
    now = session.clock.now()
    state = ServiceState(service.state)
    if state is not ServiceState.TERMINATED:
        why = "The termination isn't finished yet. Try again when it is."
        raise refuse(CommandKind.RESTORE, state, why)
    if service.delete_at is None or service.delete_at <= now:
        why = "The retention is over."
        raise refuse(CommandKind.RESTORE, state, why)
    if not may_restore(terminated_by=service.terminated_by, side=side):
        why = "The other side terminated it; only they can restore it."
        raise refuse(CommandKind.RESTORE, state, why)
    if not request.renew and (service.paid_until is None or service.paid_until <= now):
        why = "The paid term is over. Restore it with `renew: true`."
        raise refuse(CommandKind.RESTORE, state, why)
