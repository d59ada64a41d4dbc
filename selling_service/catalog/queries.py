"""Every SELECT on what is for sale, as one partner may see it; changes nothing."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, and_, func, select
from sqlalchemy.exc import NoResultFound
from sqlalchemy.orm import aliased

from selling_service.catalog.models import (
    DataCenter,
    Offer,
    OSTemplateRow,
    Tariff,
    TariffPriceRow,
    TariffVersion,
)
from selling_service.catalog.rules import ListPrice, OfferedVersion
from shared.contract.basics import Period
from shared.kit.db import ReadSession


async def find_offered(
    session: ReadSession, partner_id: UUID, *, tariff_id: UUID, version: int
) -> OfferedVersion | None:
    """Return the version in effect now, if it is this one and this partner may resell it.

    A withdrawn tariff is found too, and says so.
    """
    found = await _load(
        session,
        partner_id,
        Offer.partner_id == partner_id,
        Tariff.id == tariff_id,
        TariffVersion.number == version,
        TariffVersion.number == number_in_effect(session),
    )
    return found[0] if found else None


async def find_sold(session: ReadSession, partner_id: UUID, *, version_id: UUID) -> OfferedVersion:
    """Return a version for a renewal, also when it is withdrawn, replaced or no longer offered.

    Without an offer there is no discount. Raises NoResultFound for an unknown id.
    """
    found = await _load(session, partner_id, TariffVersion.id == version_id)
    if not found:
        message = "no such tariff version"
        raise NoResultFound(message)
    return found[0]


async def list_offered(session: ReadSession, partner_id: UUID) -> list[OfferedVersion]:
    """Return what this partner may resell, each in the version in effect now, by code."""
    return await _load(
        session,
        partner_id,
        Offer.partner_id == partner_id,
        TariffVersion.number == number_in_effect(session),
    )


async def os_image(session: ReadSession, code: str) -> str | None:
    """Return the name that an OS template has on the platform."""
    return await session.scalar(select(OSTemplateRow.image).where(OSTemplateRow.code == code))


async def os_titles(session: ReadSession) -> dict[str, str]:
    """Return the titles of all OS templates by code."""
    rows = await session.scalars(select(OSTemplateRow))
    return {row.code: row.title for row in rows}


def number_in_effect(session: ReadSession) -> ScalarSelect[int]:
    """Select the number of the version in effect now, of the tariff of the outer statement."""
    other = aliased(TariffVersion)
    return (
        select(func.max(other.number))
        .where(other.tariff_id == Tariff.id, other.effective_from <= session.clock.now())
        .correlate(Tariff)
        .scalar_subquery()
    )


async def _load(
    session: ReadSession, partner_id: UUID, *criteria: ColumnElement[bool]
) -> list[OfferedVersion]:
    """One row per price; columns and not entities, so that stock is read anew each time."""
    rows = (await session.execute(_statement(partner_id).where(*criteria))).all()
    grouped: dict[UUID, list[Row[*tuple[Any, ...]]]] = {}
    for row in rows:
        grouped.setdefault(row.version_id, []).append(row)
    return [_version(group) for group in grouped.values()]


def _statement(partner_id: UUID) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Tariff.id.label("tariff_id"),
            Tariff.code,
            Tariff.title,
            Tariff.withdrawn,
            Tariff.stock,
            TariffVersion.id.label("version_id"),
            TariffVersion.number,
            TariffVersion.effective_from,
            TariffVersion.vcpu,
            TariffVersion.ram_mib,
            TariffVersion.disk_gib,
            TariffVersion.ipv4,
            TariffVersion.os_templates,
            DataCenter.id.label("data_center_id"),
            DataCenter.code.label("data_center_code"),
            DataCenter.open.label("data_center_open"),
            DataCenter.platform,
            Offer.discount_percent,
            TariffPriceRow.period,
            TariffPriceRow.price,
            TariffPriceRow.setup_fee,
        )
        .select_from(TariffVersion)
        .join(Tariff, Tariff.id == TariffVersion.tariff_id)
        .join(DataCenter, DataCenter.id == Tariff.data_center_id)
        .outerjoin(Offer, and_(Offer.tariff_id == Tariff.id, Offer.partner_id == partner_id))
        .outerjoin(TariffPriceRow, TariffPriceRow.version_id == TariffVersion.id)
        .order_by(Tariff.code, TariffVersion.number)
    )


def _version(rows: Sequence[Row[*tuple[Any, ...]]]) -> OfferedVersion:
    row = rows[0]
    listed = {
        Period(price.period): ListPrice(price=price.price, setup_fee=price.setup_fee)
        for price in rows
        if price.period is not None
    }
    return OfferedVersion(
        tariff_id=row.tariff_id,
        version_id=row.version_id,
        version=row.number,
        code=row.code,
        title=row.title,
        data_center_id=row.data_center_id,
        data_center_code=row.data_center_code,
        data_center_open=row.data_center_open,
        platform=row.platform,
        withdrawn=row.withdrawn,
        stock=row.stock,
        vcpu=row.vcpu,
        ram_mib=row.ram_mib,
        disk_gib=row.disk_gib,
        ipv4=row.ipv4,
        os_templates=tuple(row.os_templates),
        prices={period: listed[period] for period in Period if period in listed},
        discount_percent=Decimal(0) if row.discount_percent is None else row.discount_percent,
        effective_from=row.effective_from,
    )
