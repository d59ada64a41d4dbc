"""Sends once more what a seller has carried out and then forgotten: it was restored from a backup.

The client has paid for it already, and wished it once: nothing is held or charged here again. Each
is safe to arrive twice: an order by its service_ref, a renewal by the end that it prolongs, all
others by their nature.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import delete

from reselling_service.commands.models import Command
from reselling_service.services import queries
from reselling_service.services.actions.renewing import unschedule
from reselling_service.services.actions.sending import seller_offset, send
from reselling_service.services.models import Service, WantedSuspension, heard_of
from reselling_service.services.rules import (
    ACTOR_OF,
    ACTOR_OF_GROUP,
    Asker,
    Cause,
    Group,
    Life,
    Side,
)
from shared.contract.basics import (
    CommandKind,
    Input,
    Money,
    PartnerActor,
    SuspensionReason,
    TerminateWhen,
)
from shared.contract.services import (
    OrderOptions,
    OrderRequest,
    RenewRequest,
    RestoreRequest,
    ResumeRequest,
    SuspendRequest,
    TerminateRequest,
)
from shared.kit.db import WriteSession

ITSELF = Asker(side=Side.STAFF, name="reconciliation")


async def order_again(
    session: WriteSession, service: Service, *, before: Command, max_price: int
) -> None:
    """Order a locked service that its seller has forgotten; its VM is found again there."""
    heard = heard_of(service)
    if heard is None:
        message = "a service that was never heard of can't be found again"
        raise ValueError(message)
    request = OrderRequest.model_validate(
        {
            "service_ref": service.service_ref,
            "client_ref": service.client_ref,
            "tariff_id": heard.tariff_id,
            "tariff_version": heard.tariff_version,
            "period": service.period,
            "options": OrderOptions(
                os=service.os, hostname=session.vault.decrypt_text(service.hostname)
            ),
            "max_price": Money(amount=max_price, currency=service.currency),
            "again": True,
        }
    )
    await _send(session, service, CommandKind.ORDER, request, before)


async def renew_again(
    session: WriteSession, service: Service, *, before: Command, max_price: int
) -> None:
    """Renew a locked service from where its seller believes that its term ends."""
    paid_until = service.heard_paid_until
    request = RenewRequest.model_validate(
        {"from": paid_until, "max_price": Money(amount=max_price, currency=service.currency)}
    )
    from_ = paid_until.isoformat() if paid_until is not None else None
    await _send(session, service, CommandKind.RENEW, request, before, **{"from": from_})


async def wish_again(
    session: WriteSession, service: Service, group: Group, *, last: Command
) -> None:
    """Send what is wanted in this group once more; `last` is the group's last command.

    What is wanted counts, not what was last sent: people may have adopted something else since.
    """
    if group in ACTOR_OF_GROUP:
        await _suspension_again(session, service, ACTOR_OF_GROUP[group], last)
    elif service.wanted_life == Life.TERMINATED:
        when = TerminateWhen(service.terminate_when or TerminateWhen.NOW)
        end = TerminateRequest(when=when)
        await _send(session, service, CommandKind.TERMINATE, end, last, when=when)
    else:
        await _restore_again(session, service, last)


async def _suspension_again(
    session: WriteSession, service: Service, actor: PartnerActor, last: Command
) -> None:
    rows = (await queries.find_suspensions(session, [service]))[service.id]
    mine = [row for row in rows if ACTOR_OF[Cause(row.cause)] == actor]
    if mine:
        reason = SuspensionReason(mine[0].reason)
        suspend = SuspendRequest(actor=actor, reason=reason)
        more = {"actor": actor, "reason": reason}
        await _send(session, service, CommandKind.SUSPEND, suspend, last, **more)
    else:
        resume = ResumeRequest(actor=actor)
        await _send(session, service, CommandKind.RESUME, resume, last, actor=actor)


async def _restore_again(session: WriteSession, service: Service, last: Command) -> None:
    now = session.clock.now() + await seller_offset(session, service)
    paid_until = service.heard_paid_until
    over = paid_until is None or paid_until <= now
    most = Money(amount=service.upstream_max_price, currency=service.currency)
    request = RestoreRequest(renew=over, max_price=most if over else None)
    await _send(session, service, CommandKind.RESTORE, request, last)


async def _send(
    session: WriteSession,
    service: Service,
    kind: CommandKind,
    request: Input,
    before: Command,
    **summary: Any,  # noqa: ANN401 - whatever JSON can say
) -> None:
    summary = {**summary, "again": str(before.id)}
    await send(session, service, kind, request, asker=ITSELF, summary=summary)


def asked_from(command: Command) -> datetime | None:
    """The end of the term that a renewal prolonged."""
    text = command.summary.get("from")
    return datetime.fromisoformat(text) if text else None


async def give_up(session: WriteSession, service: Service) -> None:
    """Want nothing more of a locked service that its seller has lost."""
    await unschedule(session, service)
    await session.execute(delete(WantedSuspension).where(WantedSuspension.service_id == service.id))
    service.wanted_life = Life.CANCELLED
    service.order_problem = "lost_at_seller"
    service.auto_renew = False
    service.heard_revision = 0
