"""Takes a service into our books that only its seller knows: we were restored from a backup.

Staff name the client whose it is. What the seller has charged for it since is charged to the
client, unless staff say otherwise. Nothing is sent to the seller.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from reselling_service.ledger.models import BOOKS
from reselling_service.ledger.queries import client_exists, client_is_erased
from reselling_service.reconciliation.actions.charging import learn
from reselling_service.reconciliation.errors import TARIFF_NOT_IMPORTED
from reselling_service.services.actions import hear_status
from reselling_service.services.actions.charges import ORDER
from reselling_service.services.actions.settled import want_as_heard
from reselling_service.services.models import ClientRef, Service
from reselling_service.services.rules import Group, Life
from reselling_service.tariffs.models import Tariff
from reselling_service.tariffs.queries import find_sellable
from reselling_service.tariffs.rules import SellableTariff
from shared.contract.inventory import ChargeLine
from shared.contract.services import ServiceStatus, ServiceView
from shared.kit.bookkeeping import Posting
from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.principals import ClientId
from shared.kit.problems import ProblemError, not_found
from shared.kit.reconciling.errors import NOT_DECIDABLE


async def adopt_service(
    session: WriteSession,
    seller_id: UUID,
    view: ServiceView,
    charges: Sequence[ChargeLine],
    *,
    client_id: ClientId,
    charge: bool,
) -> Service:
    """The service's new row.

    Raises `not_found`, `not_decidable` where it is another client's, `tariff_not_imported`, and
    `insufficient_balance`.
    """
    await _check_owner(session, seller_id, view, client_id)
    tariff = await _tariff(session, seller_id, view)
    ref = insert(ClientRef).values(
        client_id=client_id, seller_id=seller_id, client_ref=view.client_ref
    )
    # A client who has ordered since has another name there already; this service keeps its own.
    await session.execute(ref.on_conflict_do_nothing())
    service = Service(
        id=new_id(),
        client_id=client_id,
        seller_id=seller_id,
        tariff_id=tariff.tariff_id,
        tariff_name=tariff.name,
        service_ref=view.service_ref,
        client_ref=view.client_ref,
        name=view.hostname,
        hostname=session.vault.encrypt_text(view.hostname),
        os=view.facts.os,
        period=str(view.period),
        price=tariff.price,
        currency=tariff.currency,
        upstream_max_price=tariff.upstream_renewal,
        auto_renew=True,
        wanted_life=Life.ACTIVE,
        wanted_power=str(view.wanted_power),
        heard_revision=0,
        created_at=session.clock.now(),
    )
    session.add(service)
    await session.flush()
    await hear_status(session, seller_id, ServiceStatus.model_validate(view.model_dump()))
    for group in (Group.CLIENT_SUSPENSION, Group.PARTNER_SUSPENSION, Group.LIFE):
        await want_as_heard(session, service, group)
    await session.flush()
    await _take_charges(session, service, charges, charge=charge)
    return service


async def _take_charges(
    session: WriteSession, service: Service, charges: Sequence[ChargeLine], *, charge: bool
) -> None:
    for line in charges:
        if charge:
            await charge_client(session, service, line)
        await learn(session, service.seller_id, line)


async def _check_owner(
    session: ReadSession, seller_id: UUID, view: ServiceView, client_id: ClientId
) -> None:
    if not await client_exists(session, client_id) or await client_is_erased(session, client_id):
        raise not_found("client")
    statement = select(ClientRef.client_id).where(
        ClientRef.seller_id == seller_id, ClientRef.client_ref == view.client_ref
    )
    known = await session.scalar(statement)
    if known is not None and known != client_id:
        detail = f"At the seller it is of our client {known}; nobody else may have it."
        raise ProblemError(NOT_DECIDABLE, detail)


async def charge_client(session: WriteSession, service: Service, line: ChargeLine) -> None:
    """Charge the service's client at our price for what the seller has charged us."""
    amount = service.price
    if line.kind == ORDER:
        tariff = await find_sellable(session, tariff_id=service.tariff_id, period=service.period)
        amount = tariff.first_total if tariff is not None else amount
    posting = Posting(
        kind=line.kind,
        text=f"{service.tariff_name}, {service.period}: {line.kind}",
        reference=line.operation_id,
        service_id=service.id,
        currency=service.currency,
    )
    await BOOKS.charge(session, owner=service.client_id, amount=amount, posting=posting)


async def _tariff(session: ReadSession, seller_id: UUID, view: ServiceView) -> SellableTariff:
    statement = select(Tariff.id).where(
        Tariff.seller_id == seller_id, Tariff.upstream_id == view.tariff_id
    )
    tariff_id = await session.scalar(statement)
    found = (
        await find_sellable(session, tariff_id=tariff_id, period=str(view.period))
        if tariff_id is not None
        else None
    )
    if found is None:
        detail = (
            f"Import the seller's tariff {view.tariff_id} with a price per {view.period} first: "
            "without it there is no price for the client."
        )
        raise ProblemError(TARIFF_NOT_IMPORTED, detail)
    return found
