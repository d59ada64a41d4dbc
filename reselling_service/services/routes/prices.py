"""HTTP of what services cost: for staff, one by one and for a whole tariff."""

from fastapi import APIRouter

from reselling_service.services import actions, queries
from reselling_service.services.routes.common import ONE, ServiceId
from reselling_service.services.schemas import PriceChange, Reprice, Repriced, TermPrice
from reselling_service.staff.actions import audit
from reselling_service.staff.routes import OperatorStaff
from reselling_service.tariffs.queries import get_tariff
from shared.contract.basics import Money
from shared.kit.people.access import StaffWrite
from shared.kit.people.errors import FOR_SOME_ROLES, WITH_BODY
from shared.kit.problems import declare

router = APIRouter(prefix="/services", tags=["services"])


@router.put(
    "/{service_id}/price",
    summary="Change what another term costs",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, *ONE),
)
async def change_price(
    staff: OperatorStaff, session: StaffWrite, service_id: ServiceId, change: PriceChange
) -> TermPrice:
    """From the next term on. A renewal that the seller's price had stopped is tried again."""
    service = await queries.lock_service(session, staff, service_id=service_id)
    before = {"price": service.price, "upstream_max_price": service.upstream_max_price}
    after = change.model_dump()
    await actions.set_price(session, service, **after)
    await audit(
        session,
        staff,
        "service.price",
        object_type="service",
        object_id=service.id,
        before=before,
        after=after,
    )
    return TermPrice(
        price=Money(amount=service.price, currency=service.currency),
        upstream_max_price=Money(amount=service.upstream_max_price, currency=service.currency),
    )


@router.post(
    "/reprice",
    summary="Give the services of a tariff its prices of today",
    responses=declare(*FOR_SOME_ROLES, *WITH_BODY, *ONE),
)
async def reprice_services(staff: OperatorStaff, session: StaffWrite, body: Reprice) -> Repriced:
    """After the seller's price, or the markup, has changed. From each service's next term on."""
    tariff = await get_tariff(session, tariff_id=body.tariff_id)
    changed = await actions.reprice(session, staff, tariff_id=tariff.id)
    await audit(
        session,
        staff,
        "service.reprice",
        object_type="tariff",
        object_id=tariff.id,
        after={"changed": changed},
    )
    return Repriced(changed=changed)
