"""Ends services and takes that back: by the side that ended them, and with money where it must."""

from reselling_service.services import queries
from reselling_service.services.actions.renewing import schedule, unschedule
from reselling_service.services.actions.sending import require_built, seller_offset, send
from reselling_service.services.errors import (
    NOT_IN_THIS_STATE,
    NOT_YOURS_TO_RESTORE,
    RENEWAL_NEEDED,
)
from reselling_service.services.models import Service
from reselling_service.services.rules import LIVE, Asker, Group, Life, Side
from shared.contract.basics import CommandKind, Money, ServiceState, TerminateWhen
from shared.contract.services import RestoreRequest, TerminateRequest
from shared.kit.db import WriteSession
from shared.kit.problems import ProblemError

_ENDED = frozenset({ServiceState.FAILED, ServiceState.DELETED, ServiceState.TERMINATED})


async def terminate(
    session: WriteSession, service: Service, asker: Asker, *, when: TerminateWhen
) -> None:
    """Want a locked service ended; it isn't renewed by itself as long as that is wanted.

    What staff end stays theirs to take back, whoever hastens it. Raises `not_in_this_state` where
    it has ended, or where `period_end` comes before it was built.
    """
    if service.wanted_life == Life.TERMINATED:
        if asker.side is Side.STAFF:
            service.terminated_by = Side.STAFF
        if when in {service.terminate_when, "period_end"}:
            return
    if service.wanted_life == Life.CANCELLED or service.heard_state in _ENDED:
        raise ProblemError(NOT_IN_THIS_STATE, "The service has ended already.")
    if when is TerminateWhen.PERIOD_END:
        require_built(service)
    if service.wanted_life != Life.TERMINATED:
        service.terminated_by = asker.side
    service.wanted_life = Life.TERMINATED
    service.terminate_when = when
    await unschedule(session, service)
    await send(
        session,
        service,
        CommandKind.TERMINATE,
        TerminateRequest(when=when),
        asker=asker,
        summary={"when": when},
    )


async def restore(
    session: WriteSession, service: Service, asker: Asker, *, with_renewal: bool
) -> None:
    """Take the termination of a locked service back; a second wish joins one that is under way.

    The client takes back only what the client ended; nobody here what the provider ended
    (`not_yours_to_restore`). Where the paid term is over, it takes a renewal at the client's price:
    without `with_renewal` that is `renewal_needed`, with too little money `insufficient_balance`.
    """
    if service.wanted_life == Life.ACTIVE and await _lives_or_will(session, service):
        return
    _require_restorable(service, asker)
    paid_until = service.heard_paid_until
    now = session.clock.now() + await seller_offset(session, service)
    over = paid_until is None or paid_until <= now
    if over and not with_renewal:
        price = f"{service.price} {service.currency} (minor units)"
        detail = f"The paid term is over. Restore with a renewal, which costs {price}."
        raise ProblemError(RENEWAL_NEEDED, detail)
    max_price = Money(amount=service.upstream_max_price, currency=service.currency)
    await send(
        session,
        service,
        CommandKind.RESTORE,
        RestoreRequest(renew=over, max_price=max_price if over else None),
        asker=asker,
        summary={"from": paid_until.isoformat() if over and paid_until else None},
        price=service.price if over else None,
    )
    service.wanted_life = Life.ACTIVE
    service.renewed_from = paid_until if over else service.renewed_from
    await session.flush()
    await schedule(session, service)


async def _lives_or_will(session: WriteSession, service: Service) -> bool:
    under_way, last = await queries.find_group(session, service, Group.LIFE)
    restoring = under_way and last is not None and last.kind == CommandKind.RESTORE
    return restoring or service.heard_state in LIVE


def _require_restorable(service: Service, asker: Asker) -> None:
    if service.heard_state in {ServiceState.DELETED, ServiceState.FAILED, None}:
        raise ProblemError(NOT_IN_THIS_STATE, "There is nothing left that could be restored.")
    if service.wanted_life != Life.TERMINATED:
        detail = "It wasn't ended from here. Please contact us."
        raise ProblemError(NOT_YOURS_TO_RESTORE, detail)
    if asker.side is Side.CLIENT and service.terminated_by != Side.CLIENT:
        raise ProblemError(NOT_YOURS_TO_RESTORE, "We ended this service. Please contact us.")
