"""Makes partners, installations and keys the way staff does."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from httpx import AsyncClient

from selling_service.partners.actions import (
    KeyTerms,
    create_installation,
    create_key,
    create_partner,
)
from shared.contract.basics import Scope
from shared.kit.people import Unattended
from tests.kit.people_house import House

EVERYTHING = tuple(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reseller:
    """A partner with one installation and one key."""

    house: House
    partner_id: UUID
    installation_id: UUID
    key_id: UUID
    token: str

    @property
    def path(self) -> str:
        return f"/house/v1/partners/{self.partner_id}"

    def client(self, *, address: str = "192.0.2.1") -> AsyncClient:
        return self.house.client(self.token, address=address)


async def create_reseller(
    house: House,
    *,
    name: str = "Reseller A",
    scopes: tuple[Scope, ...] = EVERYTHING,
    networks: tuple[str, ...] = (),
    expires_at: datetime | None = None,
) -> Reseller:
    async with house.runtime.staff.write() as session:
        partner = await create_partner(session, Unattended.CLI, name=name)
        installation = await create_installation(
            session, Unattended.CLI, partner_id=partner.id, name="shop-1"
        )
        terms = KeyTerms(
            name="production", scopes=scopes, allowed_networks=networks, expires_at=expires_at
        )
        key, token = await create_key(
            session,
            Unattended.CLI,
            partner_id=partner.id,
            installation_id=installation.id,
            terms=terms,
        )
    return Reseller(
        house=house,
        partner_id=partner.id,
        installation_id=installation.id,
        key_id=key.id,
        token=token,
    )
