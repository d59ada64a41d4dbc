"""Every SELECT on tariffs. Tariffs belong to the house, so none of them asks for a principal."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select

from reselling_service.tariffs.models import Tariff, TariffPrice
from reselling_service.tariffs.rules import SellableTariff
from shared.contract.basics import Period
from shared.kit.db import ReadSession, WriteSession
from shared.kit.problems import not_found


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
    tariff, price = found
    able = tariff.upstream.get("capabilities")
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
        capabilities=None if able is None else frozenset(able),
    )


async def get_tariff(session: ReadSession, *, tariff_id: UUID, on_sale: bool = False) -> Tariff:
    """One tariff; `on_sale` finds only what a client may see. Raises `not_found`."""
    statement = select(Tariff).where(Tariff.id == tariff_id)
    if on_sale:
        statement = statement.where(Tariff.enabled, ~Tariff.withdrawn)
    return _found((await session.scalars(statement)).one_or_none())


async def lock_tariff(session: WriteSession, *, tariff_id: UUID) -> Tariff:
    """One tariff, held until the transaction ends. Raises `not_found`."""
    statement = select(Tariff).where(Tariff.id == tariff_id).with_for_update()
    rows = await session.scalars(statement.execution_options(populate_existing=True))
    return _found(rows.one_or_none())


async def list_tariffs(
    session: ReadSession,
    *,
    seller_id: UUID | None = None,
    on_sale: bool = False,
    after: UUID | None,
    limit: int,
) -> Sequence[Tariff]:
    """Up to `limit + 1` tariffs, oldest first; `on_sale` lists only what a client may see."""
    statement = select(Tariff).order_by(Tariff.id).limit(limit + 1)
    if on_sale:
        statement = statement.where(Tariff.enabled, ~Tariff.withdrawn)
    if seller_id is not None:
        statement = statement.where(Tariff.seller_id == seller_id)
    if after is not None:
        statement = statement.where(Tariff.id > after)
    return (await session.scalars(statement)).all()


async def list_imported(session: ReadSession, *, seller_id: UUID) -> Sequence[Tariff]:
    """All tariffs that were imported from a seller, oldest first."""
    statement = select(Tariff).where(Tariff.seller_id == seller_id).order_by(Tariff.id)
    return (await session.scalars(statement.execution_options(populate_existing=True))).all()


async def list_prices(
    session: ReadSession, tariffs: Sequence[Tariff]
) -> dict[UUID, list[TariffPrice]]:
    """The prices of these tariffs, each tariff with a list, shortest period first."""
    ids = [tariff.id for tariff in tariffs]
    found: dict[UUID, list[TariffPrice]] = {tariff_id: [] for tariff_id in ids}
    statement = select(TariffPrice).where(TariffPrice.tariff_id.in_(ids))
    for price in await session.scalars(statement.execution_options(populate_existing=True)):
        found[price.tariff_id].append(price)
    order = list(Period)
    for prices in found.values():
        prices.sort(key=lambda price: order.index(Period(price.period)))
    return found


def _found(row: Tariff | None) -> Tariff:
    if row is None:
        raise not_found("tariff")
    return row
