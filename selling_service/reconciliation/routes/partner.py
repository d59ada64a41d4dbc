"""What a partner compares its own books with: digests of ranges, and charge lines."""

from typing import Annotated

from fastapi import APIRouter, Query

from selling_service.partners.routes import FOR_KEYS, PartnerRead, needs
from selling_service.partners.rules import PartnerPrincipal
from selling_service.reconciliation import queries
from selling_service.reconciliation.queries import Owner
from shared.contract import problems as catalogue
from shared.contract.basics import Page, Scope
from shared.contract.inventory import ChargeLine, InventoryDigests, Prefix, RangePrefix
from shared.kit.pagination import After, Limit, decode_cursor, make_page
from shared.kit.problems import declare

router = APIRouter(prefix="/inventory", tags=["services"])
_GATE = (
    *FOR_KEYS,
    catalogue.INVALID_REQUEST,
)
Reader = Annotated[PartnerPrincipal, needs(Scope.SERVICES_READ)]
MoneyReader = Annotated[PartnerPrincipal, needs(Scope.MONEY_READ)]


def _owner(principal: PartnerPrincipal) -> Owner:
    return Owner(partner_id=principal.partner_id, installation_id=principal.installation_id)


@router.get(
    "/digests",
    summary="Counts and digests of this installation's services and charges, by range",
    description="256 ranges of `service_ref` below the prefix. List those that differ from yours "
    "through `/inventory` and `/inventory/charges`, or ask for their own ranges.",
    responses=declare(*_GATE),
)
async def get_digests(
    principal: Reader, session: PartnerRead, prefix: Annotated[Prefix, Query()] = ""
) -> InventoryDigests:
    """What this installation has here, small enough to be compared often."""
    owner = _owner(principal)
    return InventoryDigests(
        prefix=prefix,
        services=await queries.digest_services(session, owner, prefix=prefix),
        charges=await queries.digest_charges(session, owner, prefix=prefix),
    )


@router.get(
    "/charges",
    summary="What this installation's services were charged, by range",
    responses=declare(*_GATE, catalogue.CURSOR_INVALID),
)
async def list_charges(
    principal: MoneyReader,
    session: PartnerRead,
    limit: Limit = 200,
    after: After = None,
    prefix: Annotated[RangePrefix, Query()] = "",
) -> Page[ChargeLine]:
    """One line per charge, with the operation and the command that it belongs to."""
    rows = await queries.list_charges(
        session, _owner(principal), prefix=prefix, after=decode_cursor(after), limit=limit
    )
    return make_page(rows, limit=limit, row_id=lambda row: row.id, item=lambda row: row.line)
