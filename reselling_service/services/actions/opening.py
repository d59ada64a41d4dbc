"""Opens services: the client's random name at the seller, and the row of what is wanted."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from reselling_service.services import queries
from reselling_service.services.models import ClientRef, Service
from reselling_service.services.rules import Life
from reselling_service.tariffs.rules import SellableTariff
from shared.contract.basics import PowerState
from shared.kit.db import WriteSession
from shared.kit.ids import new_id, new_ref
from shared.kit.principals import ClientId


@dataclass(frozen=True, slots=True, kw_only=True)
class NewService:
    """What a client wants to have. `hostname` and `os` are the VM's, `name` stays at home."""

    name: str
    hostname: str
    os: str
    auto_renew: bool


async def open_service(
    session: WriteSession, client_id: ClientId, tariff: SellableTariff, new: NewService
) -> Service:
    """A service that is wanted and that no seller has heard of yet; held by this transaction."""
    client_ref = await _client_ref(session, client_id, seller_id=tariff.seller_id)
    service = Service(
        id=new_id(),
        client_id=client_id,
        seller_id=tariff.seller_id,
        tariff_id=tariff.tariff_id,
        tariff_name=tariff.name,
        service_ref=new_ref(),
        client_ref=client_ref,
        name=new.name,
        hostname=session.vault.encrypt_text(new.hostname),
        os=new.os,
        period=tariff.period,
        price=tariff.price,
        currency=tariff.currency,
        upstream_max_price=tariff.upstream_renewal,
        auto_renew=new.auto_renew,
        wanted_life=Life.ACTIVE,
        wanted_power=PowerState.RUNNING,
        heard_revision=0,
        created_at=session.clock.now(),
    )
    session.add(service)
    await session.flush()
    return service


async def _client_ref(session: WriteSession, client_id: ClientId, *, seller_id: UUID) -> UUID:
    """Make the client's name at this seller once: of two at once, the second takes the first's."""
    first = insert(ClientRef).values(client_id=client_id, seller_id=seller_id, client_ref=new_ref())
    await session.execute(first.on_conflict_do_nothing(index_elements=["client_id", "seller_id"]))
    return await queries.get_client_ref(session, client_id, seller_id=seller_id)
