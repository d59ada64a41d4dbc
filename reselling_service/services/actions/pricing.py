"""What another term of a service costs its client, and what the seller may charge us for it.

Both are the ones of the order until staff change them: a price that the seller has raised since
makes renewals fail (`price_above_max`) rather than eat the margin.
"""

from uuid import UUID

from reselling_service.services import queries
from reselling_service.services.actions.renewing import schedule
from reselling_service.services.models import Service
from reselling_service.tariffs.queries import find_sellable
from shared.contract.problems import PRICE_ABOVE_MAX
from shared.kit.db import WriteSession
from shared.kit.people import StaffPrincipal


async def set_price(
    session: WriteSession, service: Service, *, price: int, upstream_max_price: int
) -> bool:
    """Other prices of a term, minor units of the service's currency; false where they stood.

    A renewal that the old ones kept from succeeding is tried again at once.
    """
    if (service.price, service.upstream_max_price) == (price, upstream_max_price):
        return False
    service.price, service.upstream_max_price = price, upstream_max_price
    await session.flush()
    if service.renewal_problem == PRICE_ABOVE_MAX.code:
        await schedule(session, service, at=session.clock.now())
    return True


async def reprice(session: WriteSession, staff: StaffPrincipal, *, tariff_id: UUID) -> int:
    """Give all standing services of a tariff its prices of today; how many changed.

    A service whose period isn't sold any more keeps its prices.
    """
    changed = 0
    for service in await queries.lock_standing(session, staff, tariff_id=tariff_id):
        today = await find_sellable(session, tariff_id=tariff_id, period=service.period)
        if today is not None:
            changed += await set_price(
                session, service, price=today.price, upstream_max_price=today.upstream_renewal
            )
    return changed
