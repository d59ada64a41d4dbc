"""Takes orders: everything is checked and reserved in one transaction, or nothing is kept."""

import json
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text

from selling_service.accounts.actions import ensure_account
from selling_service.catalog.actions import reserve
from selling_service.catalog.queries import find_offered, os_image
from selling_service.catalog.rules import OfferedVersion
from selling_service.ledger.models import BOOKS
from selling_service.services import queries
from selling_service.services.actions.operations import Wish, announce, open_operation
from selling_service.services.errors import not_one_of, price_above_max
from selling_service.services.models import OperationRow, ServiceRow
from shared.contract import problems as catalogue
from shared.contract.basics import CommandKind, Money, PowerState, ServiceState
from shared.contract.events import EventType
from shared.contract.services import OrderOptions, OrderRequest
from shared.kit.bookkeeping import Posting
from shared.kit.db import WriteSession
from shared.kit.ids import id_for
from shared.kit.problems import ProblemError


@dataclass(frozen=True, slots=True, kw_only=True)
class Buyer:
    """Whose order it is, and in which currency the house counts."""

    partner_id: UUID
    installation_id: UUID
    currency: str


async def order(
    session: WriteSession, buyer: Buyer, request: OrderRequest, wish: Wish
) -> OperationRow:
    """Accept an order: account, hold, service, operation, job and event.

    Raises `service_ref_taken`, `tariff_unavailable`, `period_not_offered`, `unknown_os`,
    `not_supported`, `price_above_max`, `out_of_stock`, `no_capacity`, `client_ref_taken`,
    `insufficient_balance`.
    """
    await _one_at_a_time(session, buyer, request.service_ref)
    fingerprint = order_fingerprint(session, request)
    known = await queries.find_service(session, buyer.partner_id, service_ref=request.service_ref)
    if known is not None:
        return await _same_order(session, known, fingerprint)
    offered, total = await _choose(session, buyer, request)
    image = await _image(session, offered, request.options.os)
    _check_supported(offered, request.options)
    await reserve(session, offered)
    account = await ensure_account(
        session,
        buyer.partner_id,
        installation_id=buyer.installation_id,
        client_ref=request.client_ref,
    )
    service = _new_service(session, buyer, request, offered, account.id)
    service.image = image
    service.order_fingerprint = fingerprint
    session.add(service)
    await session.flush()
    operation = await open_operation(
        session,
        service,
        CommandKind.ORDER,
        wish,
        parameters={"total": total, "again": request.again},
    )
    posting = Posting(
        kind="order", text=offered.title, reference=operation.id, service_id=service.id
    )
    hold = await BOOKS.hold(session, owner=buyer.partner_id, amount=total, posting=posting)
    operation.hold_id = hold.id
    await announce(session, service, EventType.ACCEPTED, operation)
    return operation


def order_fingerprint(session: WriteSession, request: OrderRequest) -> bytes:
    """An HMAC of what was ordered: the same order under a new key is the same service."""
    body = request.model_dump(mode="json")
    # The options hide their secrets from `repr` only; here they all count.
    return session.vault.fingerprint(json.dumps(body, sort_keys=True).encode())


async def _one_at_a_time(session: WriteSession, buyer: Buyer, service_ref: UUID) -> None:
    """Two orders of one service_ref under two keys wait for each other."""
    await session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 11))"),
        {"name": f"{buyer.partner_id}:{service_ref}"},
    )


async def _same_order(session: WriteSession, known: ServiceRow, fingerprint: bytes) -> OperationRow:
    if known.order_fingerprint != fingerprint:
        detail = "This service_ref belongs to another order. Use a new random one."
        raise ProblemError(catalogue.SERVICE_REF_TAKEN, detail)
    return await queries.order_operation(session, known.partner_id, service_id=known.id)


async def _choose(
    session: WriteSession, buyer: Buyer, request: OrderRequest
) -> tuple[OfferedVersion, int]:
    """The version that is bought, and what the first term costs with set-up."""
    offered = await find_offered(
        session,
        buyer.partner_id,
        tariff_id=request.tariff_id,
        version=request.tariff_version,
    )
    if offered is None or offered.withdrawn:
        detail = "This version isn't sold (any more). Read /catalog and order what it shows."
        raise ProblemError(catalogue.TARIFF_UNAVAILABLE, detail)
    if request.period not in offered.prices:
        detail = not_one_of("price for the period", request.period, sorted(offered.prices))
        raise ProblemError(catalogue.PERIOD_NOT_OFFERED, detail)
    total = Money(amount=sum(offered.first_charge(request.period)), currency=buyer.currency)
    if request.max_price.currency != total.currency or request.max_price.amount < total.amount:
        raise price_above_max(total, request.max_price)
    return offered, total.amount


async def _image(session: WriteSession, offered: OfferedVersion, os: str) -> str:
    image = await os_image(session, os) if os in offered.os_templates else None
    if image is None:
        detail = not_one_of("OS template", os, offered.os_templates)
        raise ProblemError(catalogue.UNKNOWN_OS, detail)
    return image


def _check_supported(offered: OfferedVersion, options: OrderOptions) -> None:
    if offered.capabilities is None:
        return
    missing = sorted(options.asks_for() - offered.capabilities)
    if missing:
        detail = (
            f"VMs of this tariff can't be given: {', '.join(missing)}. Leave it out, or order "
            "another tariff; see `capabilities` in /catalog."
        )
        raise ProblemError(catalogue.NOT_SUPPORTED, detail)


def _new_service(
    session: WriteSession,
    buyer: Buyer,
    request: OrderRequest,
    offered: OfferedVersion,
    account_id: UUID,
) -> ServiceRow:
    return ServiceRow(
        # Found again by the platform where a restored backup knows nothing of the service.
        id=id_for(buyer.partner_id, "service", request.service_ref),
        partner_id=buyer.partner_id,
        installation_id=buyer.installation_id,
        account_id=account_id,
        service_ref=request.service_ref,
        client_ref=request.client_ref,
        tariff_id=offered.tariff_id,
        tariff_version_id=offered.version_id,
        tariff_version=offered.version,
        data_center_id=offered.data_center_id,
        period=request.period,
        state=ServiceState.ORDERED,
        power=PowerState.STOPPED,
        wanted_power=PowerState.RUNNING,
        revision=0,
        fence=0,
        vcpu=offered.vcpu,
        ram_mib=offered.ram_mib,
        disk_gib=offered.disk_gib,
        ipv4=offered.ipv4,
        addresses=[],
        os=request.options.os,
        hostname=session.vault.encrypt_text(request.options.hostname),
        content=session.vault.encrypt_text(_content(request.options)),
        terms=0,
        terms_before=0,
        created_at=session.clock.now(),
    )


def _content(options: OrderOptions) -> str:
    return options.model_dump_json(include={"ssh_keys", "password_hash", "user_data"})
