"""Routes of what each partner may resell."""

from uuid import UUID

from fastapi import APIRouter

from selling_service.catalog.actions import grant_offer, remove_offer
from selling_service.catalog.models import Offer
from selling_service.catalog.queries import find_tariff, list_offers
from selling_service.catalog.schemas import OfferInput, OfferOutput
from selling_service.staff.routes import AnyStaff, OperatorStaff
from shared.contract.basics import Page
from shared.contract.problems import CURSOR_INVALID, INVALID_REQUEST, NOT_FOUND
from shared.kit.pagination import DEFAULT_LIMIT, After, Limit, decode_cursor, make_page
from shared.kit.people.access import StaffRead, StaffWrite
from shared.kit.people.errors import FOR_EVERY_ROUTE, FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare

router = APIRouter(prefix="/partners/{partner_id}/offers", tags=["offers"])


@router.get(
    "",
    summary="What a partner may resell",
    responses=declare(*FOR_EVERY_ROUTE, INVALID_REQUEST, CURSOR_INVALID, NOT_FOUND),
)
async def get_offers(
    partner_id: UUID,
    _staff: AnyStaff,
    session: StaffRead,
    limit: Limit = DEFAULT_LIMIT,
    after: After = None,
) -> Page[OfferOutput]:
    """Answer with a page."""
    rows = await list_offers(session, partner_id, after=decode_cursor(after), limit=limit)
    return make_page(
        rows,
        limit=limit,
        row_id=lambda row: row[0].tariff_id,
        item=lambda row: _offer(row[0], row[1]),
    )


@router.put(
    "/{tariff_id}",
    summary="Let a partner resell a tariff, or change its discount",
    description="The discount goes off price and set-up fee, of new orders and of renewals.",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, NOT_FOUND),
)
async def put_offer(
    partner_id: UUID,
    tariff_id: UUID,
    body: OfferInput,
    staff: OperatorStaff,
    session: StaffWrite,
) -> OfferOutput:
    """Answer with the offer."""
    row = await grant_offer(
        session,
        staff,
        partner_id=partner_id,
        tariff_id=tariff_id,
        discount_percent=body.discount_percent,
    )
    return _offer(row, (await find_tariff(session, tariff_id)).tariff.code)


@router.delete(
    "/{tariff_id}",
    status_code=204,
    summary="Take a tariff from a partner",
    description="No new orders; services that run are renewed without a discount.",
    responses=declare(*FOR_SOME_ROLES, INVALID_REQUEST, NOT_FOUND),
)
async def delete_offer(
    partner_id: UUID, tariff_id: UUID, staff: OperatorStaff, session: StaffWrite
) -> None:
    """Answer with nothing."""
    await remove_offer(session, staff, partner_id=partner_id, tariff_id=tariff_id)


def _offer(row: Offer, tariff: str) -> OfferOutput:
    return OfferOutput(
        partner_id=row.partner_id,
        tariff_id=row.tariff_id,
        tariff=tariff,
        discount_percent=row.discount_percent,
        created_at=row.created_at,
    )
