"""Places orders: price, money, service and command in one transaction, or nothing at all."""

import asyncio
from dataclasses import dataclass

from passlib.hash import sha512_crypt  # type: ignore[import-untyped]

from reselling_service.ledger.models import BOOKS
from reselling_service.orders import queries
from reselling_service.orders.models import Order
from reselling_service.orders.rules import why_not_sold
from reselling_service.orders.schemas import NewOrder, NewQuote, Options, QuoteLine, QuoteView
from reselling_service.sellers.errors import SELLER_DISABLED
from reselling_service.services.actions import NewService, open_service
from reselling_service.services.actions.sending import send
from reselling_service.services.models import Service
from reselling_service.services.rules import Asker
from reselling_service.tariffs.queries import find_sellable
from reselling_service.tariffs.rules import SellableTariff
from shared.contract.basics import CommandKind, Money, Period
from shared.contract.problems import (
    IDEMPOTENCY_KEY_REUSED,
    PERIOD_NOT_OFFERED,
    TARIFF_UNAVAILABLE,
)
from shared.contract.services import OrderOptions, OrderRequest
from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError

# A tenth of a second of a server's time; the VM checks it at each login.
_ROUNDS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """A request that may come again: its key, unique per client, and an HMAC of what it says."""

    key: str
    fingerprint: bytes


async def place_order(
    session: WriteSession, client_id: ClientId, new: NewOrder, *, asker: Asker, click: Click | None
) -> Order:
    """Buy; a repeated click gives the order that the first one made.

    Raises `idempotency_key_reused`, `tariff_unavailable`, `period_not_offered`, `unknown_os`,
    `not_supported`, `seller_disabled`, `insufficient_balance`: nothing is created then.
    """
    if click is not None:
        await queries.lock_request(session, client_id, key=click.key)
        before = await queries.find_by_request(session, client_id, key=click.key)
        if before is not None:
            return _same(before, click)
    tariff = await _sellable(session, client_id, tariff_id_and_period=new, options=new.options)
    return await _buy(session, client_id, tariff, new, asker=asker, click=click)


async def quote(session: ReadSession, client_id: ClientId, new: NewQuote) -> QuoteView:
    """What an order would cost now, and whether the client has it. Raises like an order."""
    tariff = await _sellable(session, client_id, tariff_id_and_period=new, options=None)
    balance = await BOOKS.balance(session, owner=client_id)
    after = balance.balance - balance.held + balance.credit_limit - tariff.first_total

    def money(amount: int) -> Money:
        return Money(amount=amount, currency=tariff.currency)

    lines = [QuoteLine(text=f"{tariff.name}, {tariff.period}", amount=money(tariff.price))]
    if tariff.setup_fee:
        lines.append(QuoteLine(text="Set-up", amount=money(tariff.setup_fee)))
    return QuoteView(
        lines=lines,
        total=money(tariff.first_total),
        renewal=money(tariff.price),
        balance_after=money(after),
        affordable=after >= 0,
    )


async def _sellable(
    session: ReadSession,
    client_id: ClientId,
    *,
    tariff_id_and_period: NewOrder | NewQuote,
    options: Options | None,
) -> SellableTariff:
    tariff_id, period = tariff_id_and_period.tariff_id, tariff_id_and_period.period
    tariff = await find_sellable(session, tariff_id=tariff_id, period=period)
    if tariff is None:
        if await queries.tariff_exists(session, tariff_id=tariff_id):
            detail = "This tariff isn't sold for that period. Choose one of its periods."
            raise ProblemError(PERIOD_NOT_OFFERED, detail)
        raise ProblemError(TARIFF_UNAVAILABLE, "This tariff isn't sold. Choose another one.")
    balance = await BOOKS.balance(session, owner=client_id)
    refusal = why_not_sold(
        tariff,
        os=options.os if options else None,
        asks_for=options.asks_for() if options else (),
        currency=balance.currency,
    )
    if refusal is not None:
        raise ProblemError(*refusal)
    if not await queries.seller_enabled(session, seller_id=tariff.seller_id):
        detail = "Nothing of this kind is sold at present. Try again later."
        raise ProblemError(SELLER_DISABLED, detail)
    return tariff


async def _buy(
    session: WriteSession,
    client_id: ClientId,
    tariff: SellableTariff,
    new: NewOrder,
    *,
    asker: Asker,
    click: Click | None,
) -> Order:
    options = await _options(new.options)
    service = await open_service(
        session,
        client_id,
        tariff,
        NewService(
            name=new.name or options.hostname,
            hostname=options.hostname,
            os=options.os,
            auto_renew=new.auto_renew,
        ),
    )
    command = await send(
        session,
        service,
        CommandKind.ORDER,
        _request(service, tariff, options),
        asker=asker,
        price=tariff.first_total,
    )
    order = Order(
        id=new_id(),
        client_id=client_id,
        service_id=service.id,
        command_id=command.id,
        tariff_id=tariff.tariff_id,
        period=tariff.period,
        total=tariff.first_total,
        currency=tariff.currency,
        request_key=click.key if click else None,
        fingerprint=click.fingerprint if click else None,
        ordered_by=asker.name,
        created_at=session.clock.now(),
    )
    session.add(order)
    await session.flush()
    return order


def _request(service: Service, tariff: SellableTariff, options: OrderOptions) -> OrderRequest:
    return OrderRequest(
        service_ref=service.service_ref,
        client_ref=service.client_ref,
        tariff_id=tariff.upstream_id,
        tariff_version=tariff.upstream_version,
        period=Period(tariff.period),
        options=options,
        max_price=Money(amount=tariff.upstream_first_total, currency=tariff.currency),
    )


async def _options(chosen: Options) -> OrderOptions:
    password_hash = None
    if chosen.password is not None:
        hasher = sha512_crypt.using(rounds=_ROUNDS)
        password_hash = await asyncio.to_thread(hasher.hash, chosen.password)
    return OrderOptions(
        os=chosen.os,
        hostname=chosen.hostname,
        ssh_keys=chosen.ssh_keys,
        password_hash=password_hash,
        user_data=chosen.user_data,
    )


def _same(before: Order, click: Click) -> Order:
    if before.fingerprint != click.fingerprint:
        detail = "This Idempotency-Key came with another order before. Make a new one."
        raise ProblemError(IDEMPOTENCY_KEY_REUSED, detail)
    return before
