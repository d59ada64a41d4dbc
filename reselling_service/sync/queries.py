"""Every SELECT on how far sellers' feeds were read, and on services that await a second reading."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select

from reselling_service.sellers.models import SellerFeed
from reselling_service.services.models import Service
from shared.kit.db import ReadSession, WriteSession
from shared.kit.people import StaffPrincipal
from shared.kit.problems import not_found


async def get_feed(session: ReadSession, _staff: StaffPrincipal, *, seller_id: UUID) -> SellerFeed:
    """How far a seller's feed was read; raises `not_found`."""
    row = await session.get(SellerFeed, seller_id, populate_existing=True)
    if row is None:
        raise not_found("seller")
    return row


async def find_feed(session: ReadSession, *, seller_id: UUID) -> SellerFeed:
    """For the reader, which has no principal but its seller."""
    return await session.get_one(SellerFeed, seller_id, populate_existing=True)


async def lock_feed(session: WriteSession, *, seller_id: UUID) -> SellerFeed:
    """The feed's row, held until the transaction ends: one reader applies at a time."""
    return await session.get_one(
        SellerFeed, seller_id, populate_existing=True, with_for_update=True
    )


async def list_parked(session: ReadSession, *, seller_id: UUID, limit: int) -> Sequence[UUID]:
    """Refs of the seller's services of which an event couldn't be applied."""
    statement = (
        select(Service.service_ref)
        .where(Service.seller_id == seller_id, Service.parked.is_not(None))
        .order_by(Service.id)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def count_parked(session: ReadSession, _staff: StaffPrincipal, *, seller_id: UUID) -> int:
    """How many of the seller's services are parked."""
    statement = (
        select(func.count())
        .select_from(Service)
        .where(Service.seller_id == seller_id, Service.parked.is_not(None))
    )
    return (await session.scalars(statement)).one()
