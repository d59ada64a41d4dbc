"""Turns wishes into commands: counts them per service, and sets the client's money aside."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from reselling_service.commands.actions import send_command
from reselling_service.commands.models import Command
from reselling_service.commands.rules import NEVER_GIVEN_UP
from reselling_service.ledger.models import BOOKS
from reselling_service.services import queries
from reselling_service.services.errors import NOT_IN_THIS_STATE
from reselling_service.services.models import Service
from reselling_service.services.rules import GONE, LIVE, Asker, Life
from shared.contract.basics import CommandKind, Input, ServiceState
from shared.contract.problems import PARKED
from shared.kit.bookkeeping import Posting
from shared.kit.db import ReadSession, WriteSession
from shared.kit.problems import ProblemError


async def send(
    session: WriteSession,
    service: Service,
    kind: CommandKind,
    body: Input,
    *,
    asker: Asker,
    summary: Mapping[str, Any] | None = None,
    price: int | None = None,
) -> Command:
    """Make a command of a locked service; with `price`, that much of the client's money is held.

    Raises `insufficient_balance`, `parked`: the caller's transaction or savepoint must end with it.
    """
    if service.parked_at is not None and kind not in NEVER_GIVEN_UP:
        detail = "Our staff look at the books of this service; it can only be suspended or ended."
        raise ProblemError(PARKED, detail)
    await session.flush()
    command = await send_command(
        session,
        seller_id=service.seller_id,
        client_id=service.client_id,
        service_id=service.id,
        service_ref=service.service_ref,
        kind=kind,
        body=body,
        asked_by=asker.name,
        summary=dict(summary or {}),
    )
    if price is not None:
        command.hold_id = await _hold(session, service, command, price=price)
        await session.flush()
    return command


async def _hold(session: WriteSession, service: Service, command: Command, *, price: int) -> UUID:
    posting = Posting(
        kind=command.kind,
        text=f"{service.tariff_name}, {service.period}: {command.kind}",
        reference=command.id,
        service_id=service.id,
        currency=service.currency,
    )
    hold = await BOOKS.hold(session, owner=service.client_id, amount=price, posting=posting)
    return hold.id


async def seller_offset(session: ReadSession, service: Service) -> timedelta:
    """The seller's clock minus ours."""
    offset = await queries.find_clock_offset_ms(session, seller_id=service.seller_id)
    return timedelta(milliseconds=offset)


def require_standing(service: Service) -> None:
    """Raise `not_in_this_state` where the service has come to its end or is on the way there."""
    ended = service.wanted_life == Life.CANCELLED or service.heard_state == ServiceState.FAILED
    ending = service.wanted_life == Life.TERMINATED and service.terminate_when == "now"
    if ended or ending or service.heard_state in GONE:
        detail = (
            "The service has been ended or is being ended. Restore it first, if that is offered."
        )
        raise ProblemError(NOT_IN_THIS_STATE, detail)


def require_built(service: Service) -> None:
    """Raise `not_in_this_state` unless the service stands and has been built."""
    require_standing(service)
    if service.heard_state not in LIVE:
        detail = "The service is still being built. Try again when it is active."
        raise ProblemError(NOT_IN_THIS_STATE, detail)
