"""Says what something would cost now; reserves and changes nothing."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from selling_service.catalog.queries import find_offered, find_sold
from selling_service.catalog.rules import OfferedVersion
from selling_service.ledger.models import BOOKS
from selling_service.services import queries
from selling_service.services.actions.operations import refuse
from selling_service.services.actions.terms import next_term
from selling_service.services.errors import not_one_of
from selling_service.services.models import ServiceRow
from selling_service.services.rules import ENDING, LIVE
from shared.contract import problems as catalogue
from shared.contract.basics import CommandKind, Money, Period, ServiceState
from shared.contract.offers import Quote, QuoteKind, QuoteLine, QuoteRequest
from shared.kit.db import ReadSession
from shared.kit.problems import ProblemError, not_found


async def renewal_prices(
    session: ReadSession, partner_id: UUID, rows: Sequence[ServiceRow], *, currency: str
) -> dict[UUID, Money]:
    """What the next term of each service costs; each version is read once."""
    versions: dict[UUID, OfferedVersion] = {}
    for version_id in {row.tariff_version_id for row in rows}:
        versions[version_id] = await find_sold(session, partner_id, version_id=version_id)
    return {
        row.id: Money(
            amount=versions[row.tariff_version_id].renewal_charge(Period(row.period)),
            currency=currency,
        )
        for row in rows
    }


async def quote(
    session: ReadSession, partner_id: UUID, request: QuoteRequest, *, currency: str
) -> Quote:
    """The charge lines and what would be left of the balance.

    Raises `tariff_unavailable`, `period_not_offered`, `not_found`, `wrong_state`.
    """
    if request.kind is QuoteKind.ORDER:
        return await _of_order(session, partner_id, request, currency)
    service = await queries.find_service(session, partner_id, service_ref=request.service_ref)
    if service is None:
        raise not_found("service")
    if request.kind is QuoteKind.TERMINATE:
        lines = [_line("No refund", 0, currency)]
        return await _quote(session, partner_id, request.kind, lines, currency)
    return await _of_renewal(session, partner_id, service, currency)


async def _of_order(
    session: ReadSession, partner_id: UUID, request: QuoteRequest, currency: str
) -> Quote:
    if request.tariff_id is None or request.tariff_version is None or request.period is None:
        message = "the contract lets no order quote through without its tariff"
        raise ValueError(message)
    offered = await find_offered(
        session, partner_id, tariff_id=request.tariff_id, version=request.tariff_version
    )
    if offered is None or offered.withdrawn:
        detail = "This version isn't sold (any more). Read /catalog and choose from that."
        raise ProblemError(catalogue.TARIFF_UNAVAILABLE, detail)
    if request.period not in offered.prices:
        detail = not_one_of("price for the period", request.period, sorted(offered.prices))
        raise ProblemError(catalogue.PERIOD_NOT_OFFERED, detail)
    price, setup = offered.first_charge(request.period)
    lines = [_line(f"{offered.title}, first {request.period}", price, currency)]
    if setup:
        lines.append(_line("Set-up", setup, currency))
    return await _quote(session, partner_id, request.kind, lines, currency)


async def _of_renewal(
    session: ReadSession, partner_id: UUID, service: ServiceRow, currency: str
) -> Quote:
    if service.paid_until is None:
        why = "The service isn't active yet, so there is no term to prolong."
        raise refuse(CommandKind.RENEW, ServiceState(service.state), why)
    period = Period(service.period)
    sold = await find_sold(session, partner_id, version_id=service.tariff_version_id)
    lines = [_line(f"{sold.title}, one {period}", sold.renewal_charge(period), currency)]
    quoted = await _quote(session, partner_id, QuoteKind.RENEW, lines, currency)
    starts, ends = next_term(service, restored_at=await _restored_at(session, service))
    return quoted.model_copy(update={"term_from": starts, "term_to": ends})


async def _restored_at(session: ReadSession, service: ServiceRow) -> datetime | None:
    """Now, where the service has ended or is ending: its renewal comes with a restore."""
    pending = await queries.open_operations(session, service.partner_id, service_id=service.id)
    ending = service.state not in LIVE or any(row.kind in ENDING for row in pending)
    return session.clock.now() if ending else None


def _line(text: str, amount: int, currency: str) -> QuoteLine:
    return QuoteLine(text=text, amount=Money(amount=amount, currency=currency))


async def _quote(
    session: ReadSession,
    partner_id: UUID,
    kind: QuoteKind,
    lines: list[QuoteLine],
    currency: str,
) -> Quote:
    total = sum(line.amount.amount for line in lines)
    balance = await BOOKS.balance(session, owner=partner_id)
    return Quote(
        kind=kind,
        lines=lines,
        total=Money(amount=total, currency=currency),
        balance_after=Money(amount=balance.balance - total, currency=currency),
        affordable=balance.balance - balance.held + balance.credit_limit >= total,
        term_from=None,
        term_to=None,
    )
