"""Sends once more what a seller has carried out and then forgotten: it was restored from a backup.

The client has paid for it already, and wished it once: nothing is held or charged here again. Each
is safe to arrive twice: an order by its service_ref, a renewal by the end that it prolongs, all
others by their nature.
"""

from datetime import datetime
from typing import Any

from reselling_service.commands.models import Command
from reselling_service.services.actions.sending import seller_offset, send
from reselling_service.services.models import Service, heard_of
from reselling_service.services.rules import Asker, Life, Side
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


async def wish_again(session: WriteSession, service: Service, last: Command) -> None:
    """Send the last wish of a group once more to a seller that has forgotten it."""
    kind = CommandKind(last.kind)
    actor = PartnerActor(last.summary.get("actor", PartnerActor.PARTNER))
    if kind is CommandKind.SUSPEND:
        reason = SuspensionReason(last.summary.get("reason", SuspensionReason.REQUESTED))
        suspend = SuspendRequest(actor=actor, reason=reason)
        await _send(session, service, kind, suspend, last, actor=actor, reason=reason)
    elif kind is CommandKind.RESUME:
        await _send(session, service, kind, ResumeRequest(actor=actor), last, actor=actor)
    elif kind is CommandKind.TERMINATE:
        when = TerminateWhen(service.terminate_when or TerminateWhen.NOW)
        await _send(session, service, kind, TerminateRequest(when=when), last, when=when)
    elif kind is CommandKind.RESTORE:
        await _restore_again(session, service, last)


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


def gives_up(service: Service) -> None:
    """Want nothing more of a locked service that its seller has lost."""
    service.wanted_life = Life.CANCELLED
    service.order_problem = "lost_at_seller"
    service.auto_renew = False
    service.heard_revision = 0
