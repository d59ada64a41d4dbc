"""Renews services: by hand, and by themselves before their term ends; each term is asked for once.

`renewed_from` is the `paid_until` that was asked to be prolonged. While it is the one that was
heard, nothing more is asked: the seller's event moves it, a refusal clears it.
"""

from datetime import datetime, timedelta

from reselling_service.services.actions.sending import require_built, seller_offset, send
from reselling_service.services.errors import NOT_IN_THIS_STATE, PAID_UNTIL_MOVED
from reselling_service.services.models import Service, heard_of
from reselling_service.services.rules import (
    BALANCE_TOO_LOW,
    GRACE_OVER,
    Asker,
    Life,
    Side,
    may_renew_itself,
    renewal_due,
    renewal_times,
)
from shared.contract.basics import CommandKind, Money
from shared.contract.problems import INSUFFICIENT_BALANCE, PARKED
from shared.contract.services import RenewRequest
from shared.kit.db import WriteSession
from shared.kit.jobs import cancel_jobs, enqueue
from shared.kit.problems import ProblemError

RENEW_JOB = "renew"
_SOLVED_BY_PEOPLE = {INSUFFICIENT_BALANCE: BALANCE_TOO_LOW, PARKED: PARKED.code}
_ITSELF = Asker(side=Side.STAFF, name="auto_renew")


async def schedule(session: WriteSession, service: Service, *, at: datetime | None = None) -> None:
    """Look at a locked service's renewal when it is due, or at `at` (our time)."""
    paid_until = service.heard_paid_until
    if not service.auto_renew or service.wanted_life != Life.ACTIVE or paid_until is None:
        return
    offset = await seller_offset(session, service)
    await enqueue(
        session,
        RENEW_JOB,
        payload={"service_id": service.id},
        tenant_id=service.client_id,
        run_at=at or renewal_due(service.period, paid_until, offset=offset),
        dedupe_key=_dedupe_key(service),
    )


async def unschedule(session: WriteSession, service: Service) -> None:
    """Forget the next look; one that is under way finds out by itself."""
    await cancel_jobs(session, dedupe_key=_dedupe_key(service))


def _dedupe_key(service: Service) -> str:
    return f"{RENEW_JOB}:{service.id}"


async def set_auto_renew(session: WriteSession, service: Service, *, wanted: bool) -> None:
    """Turn the renewal of a locked service by itself on or off.

    Raises `not_in_this_state` where it can't be on: the service has ended or will.
    """
    if wanted and service.wanted_life != Life.ACTIVE:
        raise ProblemError(NOT_IN_THIS_STATE, "The service ends. Restore it first.")
    service.auto_renew = wanted
    await session.flush()
    if wanted:
        await schedule(session, service)
    else:
        service.renewal_problem = None
        await unschedule(session, service)


async def renew(
    session: WriteSession,
    service: Service,
    asker: Asker,
    *,
    paid_until: datetime | None = None,
) -> None:
    """Prolong a locked service by one term; a second wish joins one that is under way.

    `paid_until` is the end that the asker saw; another one raises `paid_until_moved`, so that a
    repeated click prolongs nothing twice. Raises `not_in_this_state`, `insufficient_balance`.
    """
    require_built(service)
    if service.wanted_life != Life.ACTIVE or service.heard_paid_until is None:
        raise ProblemError(NOT_IN_THIS_STATE, "The service ends. Restore it first.")
    if paid_until is not None and paid_until != service.heard_paid_until:
        detail = f"It is paid until {service.heard_paid_until.isoformat()} now. Look again."
        raise ProblemError(PAID_UNTIL_MOVED, detail)
    if service.renewed_from != service.heard_paid_until:
        await _ask(session, service, asker, service.heard_paid_until)


async def renew_itself(session: WriteSession, service: Service) -> None:
    """Renew a locked service that is due; otherwise look again when it is, or leave it.

    Too little money is noted as `renewal_problem` and tried again until the grace is over; then it
    is left to people, who may not want to pay for the time that it stood still.
    """
    paid_until = service.heard_paid_until
    if not service.auto_renew or service.wanted_life != Life.ACTIVE or paid_until is None:
        return
    if not may_renew_itself(heard_of(service)) or service.renewed_from == paid_until:
        return
    now = session.clock.now()
    due = renewal_due(service.period, paid_until, offset=await seller_offset(session, service))
    if now < due:
        await schedule(session, service)
        return
    times = renewal_times(service.period)
    if now > due + times.ahead + times.grace:
        service.renewal_problem = GRACE_OVER
        await session.flush()
        return
    try:
        async with session.begin_nested():
            await _ask(session, service, _ITSELF, paid_until)
    except ProblemError as problem:
        if problem.type not in _SOLVED_BY_PEOPLE:
            raise
        await note_problem(session, service, code=_SOLVED_BY_PEOPLE[problem.type])


async def note_problem(
    session: WriteSession, service: Service, *, code: str, after: timedelta | None = None
) -> None:
    """Show why a locked service wasn't renewed, and look again later."""
    service.renewal_problem = code
    await session.flush()
    wait = after or renewal_times(service.period).retry
    await schedule(session, service, at=session.clock.now() + wait)


async def _ask(session: WriteSession, service: Service, asker: Asker, paid_until: datetime) -> None:
    max_price = Money(amount=service.upstream_max_price, currency=service.currency)
    await send(
        session,
        service,
        CommandKind.RENEW,
        RenewRequest.model_validate({"from": paid_until, "max_price": max_price}),
        asker=asker,
        summary={"from": paid_until.isoformat()},
        price=service.price,
    )
    service.renewed_from = paid_until
    service.renewal_problem = None
    await session.flush()
