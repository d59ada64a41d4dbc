"""Every SELECT on sellers: for staff, who see no keys, and for those who call a seller."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from reselling_service.sellers.models import Seller
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people import StaffPrincipal
from shared.kit.problems import not_found
from shared.kit.tls import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class SellerAccess:
    """What a call to a seller needs, and how its link stood when this was read."""

    seller_id: UUID
    name: str
    url: str
    key: str = field(repr=False)
    sealed_key: bytes = field(repr=False)
    trust: Trust
    installation_id: UUID
    clock_offset_ms: int
    enabled: bool
    failures: int
    retry_at: datetime | None

    @property
    def troubled(self) -> bool:
        """Whether the next success is news."""
        return self.failures > 0 or self.retry_at is not None


async def find_access(session: ReadSession, *, seller_id: UUID) -> SellerAccess:
    """The way to a seller. Raises NoResultFound."""
    statement = select(Seller).where(Seller.id == seller_id)
    row = await session.scalars(statement.execution_options(populate_existing=True))
    return access_of(session, row.one())


async def list_accesses(session: ReadSession) -> list[SellerAccess]:
    """The ways to all sellers that are enabled."""
    rows = await session.scalars(select(Seller).where(Seller.enabled).order_by(Seller.id))
    return [access_of(session, row) for row in rows]


def access_of(session: ReadSession, row: Seller) -> SellerAccess:
    """Read the key of a seller's row."""
    return SellerAccess(
        seller_id=row.id,
        name=row.name,
        url=row.url,
        key=session.vault.decrypt_text(row.key),
        sealed_key=row.key,
        trust=trust_of(session, row),
        installation_id=row.installation_id,
        clock_offset_ms=row.clock_offset_ms,
        enabled=row.enabled,
        failures=row.failures,
        retry_at=row.retry_after,
    )


def trust_of(session: ReadSession, row: Seller) -> Trust:
    """Read whom to believe to be this seller, and who we are to it."""
    key = session.vault.decrypt_text(row.tls_key) if row.tls_key is not None else None
    return Trust(
        authority=row.tls_authority, pin=row.tls_pin, certificate=row.tls_certificate, key=key
    )


async def list_sellers(
    session: ReadSession, _staff: StaffPrincipal, *, after: UUID | None, limit: int
) -> Sequence[Seller]:
    """Up to `limit + 1` sellers, oldest first."""
    statement = select(Seller).order_by(Seller.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(Seller.id > after)
    return (await session.scalars(statement)).all()


async def get_seller(session: ReadSession, _staff: StaffPrincipal, *, seller_id: UUID) -> Seller:
    """One seller; raises `not_found`."""
    return _found(await session.get(Seller, seller_id, populate_existing=True))


async def lock_seller(session: WriteSession, *, seller_id: UUID) -> Seller:
    """One seller, held until the transaction ends; raises `not_found`."""
    return _found(
        # Of this strength, since commands that are being made hold on to the row's id.
        await session.get(
            Seller, seller_id, populate_existing=True, with_for_update={"key_share": True}
        )
    )


def _found(row: Seller | None) -> Seller:
    if row is None:
        raise not_found("seller")
    return row
