"""Every SELECT on tariffs. Tariffs belong to the house, so none of them asks for a principal."""

from uuid import UUID

from sqlalchemy import select

from reselling_service.tariffs.models import Tariff, TariffPrice
from reselling_service.tariffs.rules import SellableTariff
from shared.kit.db import ReadSession


async def find_sellable(
    session: ReadSession, *, tariff_id: UUID, period: str
) -> SellableTariff | None:
    """The tariff with its prices for a period; None where there is no such tariff or period.

    Disabled and withdrawn ones are found too: whoever sells looks at the flags.
    """
    statement = (
        select(Tariff, TariffPrice)
        .join(TariffPrice, TariffPrice.tariff_id == Tariff.id)
        .where(Tariff.id == tariff_id, TariffPrice.period == period)
    )
    found = (await session.execute(statement)).one_or_none()
    if found is None:
        return None
    tariff, price = found.t
    return SellableTariff(
        tariff_id=tariff.id,
        seller_id=tariff.seller_id,
        name=tariff.name,
        enabled=tariff.enabled,
        withdrawn=tariff.withdrawn,
        upstream_id=tariff.upstream_id,
        upstream_version=tariff.upstream_version,
        period=price.period,
        price=price.price,
        setup_fee=price.setup_fee,
        upstream_price=price.upstream_price,
        upstream_setup_fee=price.upstream_setup_fee,
        currency=tariff.currency,
        os_templates=tuple(tariff.os_templates),
    )
