"""Carries out what the desk has decided of a difference with a seller. Always audited."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from reselling_service.ledger.models import BOOKS
from reselling_service.reconciliation import queries
from reselling_service.reconciliation.actions.adopting import charge_client
from reselling_service.reconciliation.actions.charging import learn, void
from reselling_service.reconciliation.actions.checking import (
    check_unrepeated,
    lock_drifting,
    lock_idle,
    lock_living,
    lock_lost,
    lock_service,
)
from reselling_service.reconciliation.errors import NO_COMMAND_KNOWN
from reselling_service.reconciliation.models import DESK
from reselling_service.reconciliation.rules import Kind
from reselling_service.services import queries as services
from reselling_service.services.actions import order_again, renew_again, terminate, wish_again
from reselling_service.services.actions.again import ITSELF, give_up
from reselling_service.services.actions.settled import want_as_heard
from reselling_service.services.rules import Group, Life
from reselling_service.staff.actions import audit
from shared.contract.basics import Money, TerminateWhen
from shared.contract.inventory import ChargeLine
from shared.kit.bookkeeping import Book, Posting
from shared.kit.db import WriteSession
from shared.kit.ids import new_id
from shared.kit.jobs import enqueue
from shared.kit.people import StaffPrincipal
from shared.kit.problems import ProblemError
from shared.kit.reconciling import DifferenceColumns, Way, decide, lock_difference
from shared.kit.reconciling.errors import NOT_DECIDABLE
from shared.kit.reconciling.rules import check_decidable, check_grace

END_STRANGER_JOB = "end_stranger"
FOREVER = 2**31 - 1
Carry = Callable[[WriteSession, DifferenceColumns], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided, and why."""

    way: Way
    reason: str
    grace: timedelta


async def decide_difference(
    session: WriteSession, staff: StaffPrincipal, difference_id: UUID, decision: Decision
) -> DifferenceColumns:
    """Adopt or undo. Raises `not_found`, `not_decidable`, `insufficient_balance`."""
    row = await lock_difference(session, DESK, difference_id=difference_id)
    check_decidable(row, decision.way)
    if row.kind == Kind.UNKNOWN_HERE:
        check_grace(row, grace=decision.grace, now=session.clock.now())
    await _CARRIED_OUT[Kind(row.kind), decision.way](session, row)
    await write_down(session, staff, row, decision)
    return row


async def write_down(
    session: WriteSession,
    staff: StaffPrincipal,
    row: DifferenceColumns,
    decision: Decision,
    **more: bool,
) -> None:
    """Keep the decision with its difference, and in the audit with what `more` says of it."""
    await decide(session, row, staff, decision.way, reason=decision.reason)
    await audit(
        session,
        staff,
        f"difference.{decision.way}",
        object_type="difference",
        object_id=row.id,
        after={"kind": row.kind, "refs": row.refs, "reason": decision.reason, **more},
    )


def _line(row: DifferenceColumns, side: str) -> ChargeLine:
    told = row.evidence[side]
    return ChargeLine(
        operation_id=told["operation"],
        command_id=told["command"],
        service_ref=row.refs["service_ref"],
        kind=told["kind"],
        amount=Money(amount=told["amount"], currency=told["currency"]),
        at=told["at"],
    )


async def _order_again(session: WriteSession, row: DifferenceColumns) -> None:
    service = await lock_lost(session, row)
    order = await queries.find_order(session, service)
    if order is None:
        raise ProblemError(NOT_DECIDABLE, "Nothing is known of its order, so it can't be repeated.")
    charge = await queries.find_order_charge(
        session, service.seller_id, service_ref=service.service_ref
    )
    most = charge.amount if charge is not None else service.upstream_max_price
    await order_again(session, service, before=order, max_price=most)


async def _give_up(session: WriteSession, row: DifferenceColumns) -> None:
    await give_up(session, await lock_lost(session, row))
    row.gone_at = session.clock.now()


async def _want_as_heard(session: WriteSession, row: DifferenceColumns) -> None:
    service = await lock_drifting(session, row)
    await want_as_heard(session, service, Group(row.refs["wish"]))
    row.gone_at = session.clock.now()


async def _send_again(session: WriteSession, row: DifferenceColumns) -> None:
    service, group = await lock_drifting(session, row), Group(row.refs["wish"])
    _busy, last = await services.find_group(session, service, group)
    if last is None:
        detail = "We never wished anything of this kind. Adopt it, or talk to the provider."
        raise ProblemError(NOT_DECIDABLE, detail)
    await wish_again(session, service, group, last=last)


async def _keep_alive(session: WriteSession, row: DifferenceColumns) -> None:
    service = await lock_living(session, row)
    service.wanted_life, service.order_problem = Life.ACTIVE, None
    row.gone_at = session.clock.now()


async def _end_cancelled(session: WriteSession, row: DifferenceColumns) -> None:
    service = await lock_living(session, row)
    service.wanted_life = Life.ACTIVE
    await terminate(session, service, ITSELF, when=TerminateWhen.NOW)


async def _end_stranger(session: WriteSession, row: DifferenceColumns) -> None:
    await enqueue(
        session,
        END_STRANGER_JOB,
        payload={
            "seller_id": row.refs["seller"],
            "service_ref": row.refs["service_ref"],
            # Of this decision: the seller remembers its answer to an earlier one's for ever.
            "command_id": new_id(),
        },
        dedupe_key=f"{END_STRANGER_JOB}:{row.id}",
        max_attempts=FOREVER,
    )


async def _charge_client(session: WriteSession, row: DifferenceColumns) -> None:
    service, line = await lock_service(session, row), _line(row, "theirs")
    known = await queries.find_charge(session, service.seller_id, operation_id=line.operation_id)
    if known is not None:
        raise ProblemError(NOT_DECIDABLE, "The charge is known here by now. Compare again.")
    await charge_client(session, service, line)
    await learn(session, service.seller_id, line)
    row.gone_at = session.clock.now()


async def _take_amount(session: WriteSession, row: DifferenceColumns) -> None:
    service, line = await lock_service(session, row), _line(row, "theirs")
    await void(session, service.seller_id, line.operation_id)
    await learn(session, service.seller_id, line)
    row.gone_at = session.clock.now()


async def _renew_again(session: WriteSession, row: DifferenceColumns) -> None:
    service, line = await lock_idle(session, row), _line(row, "ours")
    if service.wanted_life != Life.ACTIVE:
        raise ProblemError(NOT_DECIDABLE, "The service ends, so there is no term to renew.")
    before = await queries.find_command(session, command_id=line.command_id)
    if before is None:
        raise ProblemError(NO_COMMAND_KNOWN, "No command of ours has led to this charge.")
    await check_unrepeated(session, before)
    await renew_again(session, service, before=before, max_price=line.amount.amount)


async def _refund(session: WriteSession, row: DifferenceColumns) -> None:
    """Give the client back what was paid for a term that the seller has forgotten."""
    service, line = await lock_idle(session, row), _line(row, "ours")
    command = await queries.find_command(session, command_id=line.command_id)
    await check_unrepeated(session, command)
    paid = await queries.paid_for(session, service.client_id, line, command)
    if command is None and not paid:
        raise ProblemError(NO_COMMAND_KNOWN, "Nothing is known of what its client has paid for it.")
    if paid:
        posting = Posting(
            kind="correction",
            text=f"{service.tariff_name}: given back",
            reference=new_id(),
            service_id=service.id,
            currency=service.currency,
        )
        await BOOKS.top_up(
            session, owner=service.client_id, amount=paid, posting=posting, against=Book.REVENUE
        )
    await void(session, service.seller_id, line.operation_id)
    row.gone_at = session.clock.now()


_CARRIED_OUT: dict[tuple[Kind, Way], Carry] = {
    (Kind.UNKNOWN_HERE, Way.UNDO): _end_stranger,
    (Kind.UNKNOWN_THERE, Way.ADOPT): _order_again,
    (Kind.UNKNOWN_THERE, Way.UNDO): _give_up,
    (Kind.NOT_AS_WANTED, Way.ADOPT): _want_as_heard,
    (Kind.NOT_AS_WANTED, Way.UNDO): _send_again,
    (Kind.CANCELLED_BUT_LIVES, Way.ADOPT): _keep_alive,
    (Kind.CANCELLED_BUT_LIVES, Way.UNDO): _end_cancelled,
    (Kind.CHARGE_UNKNOWN_HERE, Way.ADOPT): _charge_client,
    (Kind.CHARGE_UNKNOWN_THERE, Way.ADOPT): _renew_again,
    (Kind.CHARGE_UNKNOWN_THERE, Way.UNDO): _refund,
    (Kind.CHARGE_AMOUNT, Way.ADOPT): _take_amount,
}
