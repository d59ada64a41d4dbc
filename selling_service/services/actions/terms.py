"""Prolongs paid terms, and sets the clocks that end them.

The first term starts when the service becomes active; terms follow each other without a gap. Only
a restore that finds its term over begins anew: the VM stood still in between.
"""

from datetime import datetime

from sqlalchemy import delete

from selling_service.catalog.queries import find_sold
from selling_service.catalog.rules import term_end
from selling_service.ledger.models import BOOKS
from selling_service.services import queries
from selling_service.services.actions.operations import (
    FOREVER,
    Wish,
    announce,
    charged,
    done_at_once,
    open_operation,
    refuse,
)
from selling_service.services.errors import price_above_max
from selling_service.services.models import OperationRow, ServiceRow, SuspensionRow, TermRow
from selling_service.services.rules import ENDING, project
from shared.contract import problems as catalogue
from shared.contract.basics import (
    Actor,
    CommandKind,
    Money,
    Period,
    PowerState,
    ServiceState,
)
from shared.contract.events import EventType
from shared.contract.services import RenewRequest
from shared.kit.bookkeeping import Posting
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import cancel_jobs, enqueue
from shared.kit.problems import ProblemError

EXPIRE_JOB = "service_expire"


async def renew(
    session: WriteSession,
    service: ServiceRow,
    request: RenewRequest,
    wish: Wish,
    *,
    currency: str,
) -> OperationRow:
    """Prolong by one period: charged and done in this transaction.

    Raises `wrong_state`, `term_moved`, `price_above_max`, `insufficient_balance`.
    """
    await _check_renewable(session, service)
    if service.paid_until != request.from_:
        detail = f"The term ends at {service.paid_until}; renew with that as `from`."
        raise ProblemError(catalogue.TERM_MOVED, detail)
    amount = await renewal_price(session, service)
    check_price(amount, request.max_price, currency=currency)
    operation_id = new_id()
    await add_term(session, service, amount=amount)
    resumed = await lift_expired(session, service)
    operation = done_at_once(
        session,
        service,
        CommandKind.RENEW,
        wish,
        operation_id=operation_id,
        result={"charged": charged(session, amount)},
    )
    posting = Posting(kind="renewal", text="Renewal", reference=operation_id, service_id=service.id)
    await session.flush()
    await BOOKS.charge(session, owner=service.partner_id, amount=amount, posting=posting)
    await announce(session, service, EventType.RENEWED, operation)
    if resumed is not None:
        await announce(session, service, EventType.ACCEPTED, resumed)
    return operation


async def _check_renewable(session: WriteSession, service: ServiceRow) -> None:
    operations = await queries.open_operations(session, service.partner_id, service_id=service.id)
    outlook = project(
        state=ServiceState(service.state),
        wanted_power=PowerState(service.wanted_power),
        suspended=False,
        pending=queries.pending(operations),
    )
    if outlook.state is not ServiceState.ACTIVE:
        raise refuse(CommandKind.RENEW, outlook.state)
    if any(row.kind in ENDING for row in operations):
        why = "A termination or restore is on its way. Renew when it is done."
        raise refuse(CommandKind.RENEW, ServiceState(service.state), why)
    if service.paid_until is None:
        why = "The service isn't active yet, so there is no term to prolong."
        raise refuse(CommandKind.RENEW, ServiceState(service.state), why)
    if service.terminate_at is not None:
        why = "The service ends with its term. Restore it first, then renew."
        raise refuse(CommandKind.RENEW, ServiceState(service.state), why)


async def renewal_price(session: WriteSession, service: ServiceRow) -> int:
    """What the next term costs, in minor units, at today's discount."""
    sold = await find_sold(session, service.partner_id, version_id=service.tariff_version_id)
    return sold.renewal_charge(Period(service.period))


def check_price(amount: int, most: Money | None, *, currency: str) -> None:
    """Raises `price_above_max`."""
    if most is not None and (most.currency != currency or most.amount < amount):
        raise price_above_max(Money(amount=amount, currency=currency), most)


async def add_term(
    session: WriteSession,
    service: ServiceRow,
    *,
    amount: int,
    first_from: datetime | None = None,
    restored_at: datetime | None = None,
) -> None:
    """The next paid term. The first one begins at `first_from`, which is the activation."""
    if first_from is not None:
        service.activated_at = service.counted_from = service.paid_until = first_from
    starts, ends = next_term(service, restored_at=restored_at)
    if starts != service.paid_until:
        service.counted_from, service.terms_before = starts, service.terms
    service.terms += 1
    service.paid_until = ends
    term = TermRow(
        service_id=service.id,
        number=service.terms,
        partner_id=service.partner_id,
        starts_at=starts,
        ends_at=ends,
        amount=amount,
    )
    session.add(term)
    await session.flush()
    await schedule_expiry(session, service)


def next_term(
    service: ServiceRow, *, restored_at: datetime | None = None
) -> tuple[datetime, datetime]:
    """From when until when another term would run: where the last one ends, or from a restore."""
    if service.counted_from is None or service.paid_until is None:
        message = "a service that was never active has no terms"
        raise ValueError(message)
    period = Period(service.period)
    if restored_at is not None and service.paid_until < restored_at:
        return restored_at, term_end(restored_at, period, 1)
    count = service.terms - service.terms_before + 1
    return service.paid_until, term_end(service.counted_from, period, count)


async def schedule_expiry(session: WriteSession, service: ServiceRow) -> None:
    """Wake up when the term is over; the slack is added when that is decided."""
    if service.paid_until is not None:
        await enqueue(
            session,
            EXPIRE_JOB,
            payload={"service_id": service.id},
            tenant_id=service.partner_id,
            run_at=service.paid_until,
            dedupe_key=f"expire:{service.id}",
            max_attempts=FOREVER,
        )


async def stop_expiry(session: WriteSession, service: ServiceRow) -> None:
    """The service has ended: its term no longer matters."""
    await cancel_jobs(session, dedupe_key=f"expire:{service.id}")


async def lift_expired(session: WriteSession, service: ServiceRow) -> OperationRow | None:
    """Lift `expired` where the term now reaches beyond the present; the resume that follows."""
    now = session.clock.now()
    if service.paid_until is None or service.paid_until <= now:
        return None
    lifted = await session.scalar(
        delete(SuspensionRow)
        .where(
            SuspensionRow.partner_id == service.partner_id,
            SuspensionRow.service_id == service.id,
            SuspensionRow.actor == Actor.EXPIRED,
        )
        .returning(SuspensionRow.service_id)
    )
    left = await queries.suspensions_of(session, service.partner_id, service_id=service.id)
    if lifted is None or left or service.state == ServiceState.TERMINATED:
        return None
    return await open_operation(session, service, CommandKind.RESUME, Wish(actor=Actor.EXPIRED))
