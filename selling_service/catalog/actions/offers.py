"""Changes what a partner may resell, and with which discount."""

from decimal import Decimal
from uuid import UUID

from sqlalchemy import select

from selling_service.catalog.models import Offer, Tariff
from selling_service.partners.models import Partner
from selling_service.staff.actions import audit
from shared.kit.db import WriteSession
from shared.kit.people.principals import Doer
from shared.kit.problems import not_found


async def grant_offer(
    session: WriteSession,
    staff: Doer,
    *,
    partner_id: UUID,
    tariff_id: UUID,
    discount_percent: Decimal,
) -> Offer:
    """Let a partner resell a tariff, or change its discount. Raises `not_found`."""
    # The tariff's lock keeps two grants of one offer apart.
    if await session.get(Tariff, tariff_id, with_for_update=True) is None:
        raise not_found("tariff")
    if await session.get(Partner, partner_id) is None:
        raise not_found("partner")
    row = await session.get(Offer, (partner_id, tariff_id))
    before = None if row is None else {"discount_percent": row.discount_percent}
    after = {"discount_percent": discount_percent}
    if row is None:
        row = Offer(
            partner_id=partner_id,
            tariff_id=tariff_id,
            discount_percent=discount_percent,
            created_at=session.clock.now(),
        )
        session.add(row)
    elif before == after:
        return row
    row.discount_percent = discount_percent
    await session.flush()
    await _audit(session, staff, "offer.grant", row, before=before, after=after)
    return row


async def remove_offer(
    session: WriteSession, staff: Doer, *, partner_id: UUID, tariff_id: UUID
) -> None:
    """Take a tariff from a partner: no new orders, and renewals without discount.

    Raises `not_found`.
    """
    statement = select(Offer).where(Offer.partner_id == partner_id, Offer.tariff_id == tariff_id)
    row = (await session.scalars(statement.with_for_update())).one_or_none()
    if row is None:
        raise not_found("offer")
    before = {"discount_percent": row.discount_percent}
    await session.delete(row)
    await session.flush()
    await _audit(session, staff, "offer.remove", row, before=before, after=None)


async def _audit(
    session: WriteSession,
    staff: Doer,
    action: str,
    row: Offer,
    *,
    before: dict[str, Decimal] | None,
    after: dict[str, Decimal] | None,
) -> None:
    await audit(
        session,
        staff,
        action,
        object_type="partner",
        object_id=row.partner_id,
        before=before and {"tariff_id": row.tariff_id, **before},
        after=after and {"tariff_id": row.tariff_id, **after},
    )
