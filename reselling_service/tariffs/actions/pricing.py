"""Sets up how a tariff is sold: name, description, markup, whether it is on sale."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from reselling_service.staff.actions import audit
from reselling_service.tariffs import queries
from reselling_service.tariffs.errors import TARIFF_WITHDRAWN
from reselling_service.tariffs.models import Tariff, TariffPrice
from reselling_service.tariffs.rules import marked_up, sellable_prices
from shared.contract.offers import CatalogTariff
from shared.contract.offers import TariffPrice as OfferedPrice
from shared.kit.db import WriteSession
from shared.kit.people import StaffPrincipal, Unattended
from shared.kit.problems import ProblemError

_CHANGEABLE = ("name", "description", "markup_percent", "enabled")


async def change_tariff(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    tariff_id: UUID,
    changes: Mapping[str, Any],
) -> Tariff:
    """Change what is named of name, description, markup_percent and enabled.

    A new markup counts for new orders; services keep the price that they were ordered at.
    Raises `not_found`, `tariff_withdrawn`.
    """
    row = await queries.lock_tariff(session, tariff_id=tariff_id)
    if changes.get("enabled") and row.withdrawn:
        detail = "It can't be enabled until the seller offers it again and it is imported."
        raise ProblemError(TARIFF_WITHDRAWN, detail)
    before = _picture(row)
    for name in _CHANGEABLE:
        if name in changes:
            setattr(row, name, changes[name])
    await session.flush()
    if "markup_percent" in changes:
        offer = CatalogTariff.model_validate(row.upstream)
        await put_prices(session, row, sellable_prices(offer))
    await audit(
        session,
        staff,
        "tariff.change",
        object_type="tariff",
        object_id=row.id,
        before=before,
        after=_picture(row),
    )
    return row


async def put_prices(
    session: WriteSession, tariff: Tariff, offered: Sequence[OfferedPrice]
) -> None:
    """Price every period anew by the tariff's markup; periods no longer offered go."""
    periods = [str(price.period) for price in offered]
    gone = delete(TariffPrice).where(
        TariffPrice.tariff_id == tariff.id, TariffPrice.period.not_in(periods)
    )
    await session.execute(gone.execution_options(synchronize_session=False))
    for price in offered:
        cost, setup_cost = price.price.amount, price.setup_fee.amount
        values = {
            "price": marked_up(cost, markup_percent=tariff.markup_percent),
            "setup_fee": marked_up(setup_cost, markup_percent=tariff.markup_percent),
            "upstream_price": cost,
            "upstream_setup_fee": setup_cost,
        }
        row = insert(TariffPrice).values(tariff_id=tariff.id, period=str(price.period), **values)
        await session.execute(
            row.on_conflict_do_update(index_elements=["tariff_id", "period"], set_=values)
        )


def _picture(row: Tariff) -> dict[str, Any]:
    """What the audit shows of a tariff."""
    return {name: getattr(row, name) for name in _CHANGEABLE}
