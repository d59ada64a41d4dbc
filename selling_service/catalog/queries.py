"""Every SELECT on what is for sale, as a partner may buy it or staff see it; changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
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
    PlatformRow,
    Tariff,
    TariffPriceRow,
    TariffVersion,
)
from selling_service.catalog.rules import ListPrice, OfferedVersion
from selling_service.partners.models import Partner
from shared.contract.basics import Period
from shared.kit.db import ReadSession
from shared.kit.problems import not_found


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionListing:
    """A version with its prices."""

    version: TariffVersion
    prices: Sequence[TariffPriceRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffListing:
    """A tariff as staff see it: its data centre's code, all its versions by number."""

    tariff: Tariff
    data_center: str
    versions: Sequence[VersionListing]


async def find_offered(
    session: ReadSession, partner_id: UUID, *, tariff_id: UUID, version: int
) -> OfferedVersion | None:
    """Return the version in effect now, if it is this one and this partner may resell it.

    A withdrawn tariff is found too, and says so.
    """
    found = await _load(
        session,
        partner_id,
        Tariff.id == tariff_id,
        TariffVersion.number == version,
        TariffVersion.number == number_in_effect(session),
        offered=True,
    )
    return found[0] if found else None


async def find_sold(session: ReadSession, partner_id: UUID, *, version_id: UUID) -> OfferedVersion:
    """Return a version for a renewal, also when it is withdrawn, replaced or no longer offered.

    Without an offer there is no discount. Raises NoResultFound for an unknown id.
    """
    found = await _load(session, partner_id, TariffVersion.id == version_id, offered=False)
    if not found:
        message = "no such tariff version"
        raise NoResultFound(message)
    return found[0]


async def list_offered(session: ReadSession, partner_id: UUID) -> list[OfferedVersion]:
    """Return what this partner may resell, each in the version in effect now, by code."""
    return await _load(
        session,
        partner_id,
        TariffVersion.number == number_in_effect(session),
        offered=True,
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
    session: ReadSession, partner_id: UUID, *criteria: ColumnElement[bool], offered: bool
) -> list[OfferedVersion]:
    """One row per price; columns and not entities, so that stock is read anew each time."""
    rows = (await session.execute(_statement(partner_id, offered=offered).where(*criteria))).all()
    grouped: dict[UUID, list[Row[*tuple[Any, ...]]]] = {}
    for row in rows:
        grouped.setdefault(row.version_id, []).append(row)
    return [_version(group) for group in grouped.values()]


def _statement(partner_id: UUID, *, offered: bool) -> Select[*tuple[Any, ...]]:
    """Tariffs are everybody's, offers aren't: by the join, policies on offers hide tariffs too."""
    of_partner = and_(Offer.tariff_id == Tariff.id, Offer.partner_id == partner_id)
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
            PlatformRow.capabilities,
            Offer.discount_percent,
            TariffPriceRow.period,
            TariffPriceRow.price,
            TariffPriceRow.setup_fee,
        )
        .select_from(TariffVersion)
        .join(Tariff, Tariff.id == TariffVersion.tariff_id)
        .join(DataCenter, DataCenter.id == Tariff.data_center_id)
        .join(PlatformRow, PlatformRow.name == DataCenter.platform)
        .join(Offer, of_partner, isouter=not offered)
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
        capabilities=None if row.capabilities is None else frozenset(row.capabilities),
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


async def list_places(session: ReadSession) -> list[tuple[DataCenter, PlatformRow]]:
    """All data centres by code, each with the room of its platform."""
    statement = (
        select(DataCenter, PlatformRow)
        .join(PlatformRow, PlatformRow.name == DataCenter.platform)
        .order_by(DataCenter.code)
    )
    return [(place, room) for place, room in (await session.execute(statement)).all()]


async def room_of(session: ReadSession, place: DataCenter) -> PlatformRow:
    """The platform of a data centre, with its room."""
    statement = select(PlatformRow).where(PlatformRow.name == place.platform)
    return (await session.scalars(statement)).one()


async def platform_names(session: ReadSession) -> set[str]:
    """The platforms that data centres are on."""
    return set((await session.scalars(select(PlatformRow.name))).all())


async def platform_of(session: ReadSession, data_center_id: UUID) -> str:
    """The name of the platform behind a data centre."""
    statement = select(DataCenter.platform).where(DataCenter.id == data_center_id)
    return str((await session.scalars(statement)).one())


async def data_center_codes(session: ReadSession) -> dict[UUID, str]:
    """Codes of all data centres by id."""
    rows = await session.execute(select(DataCenter.id, DataCenter.code))
    return {row.id: row.code for row in rows}


async def find_tariff(session: ReadSession, tariff_id: UUID) -> TariffListing:
    """Return a tariff with its versions, for staff. Raises `not_found`."""
    found = await _listings(session, select(Tariff).where(Tariff.id == tariff_id))
    if not found:
        raise not_found("tariff")
    return found[0]


async def list_tariffs(
    session: ReadSession, *, after: UUID | None, limit: int
) -> list[TariffListing]:
    """Return up to `limit + 1` tariffs for staff, oldest first."""
    statement = select(Tariff).order_by(Tariff.id).limit(limit + 1)
    if after is not None:
        statement = statement.where(Tariff.id > after)
    return await _listings(session, statement)


async def list_os_templates(session: ReadSession) -> Sequence[OSTemplateRow]:
    """Return all OS templates by code."""
    return (await session.scalars(select(OSTemplateRow).order_by(OSTemplateRow.code))).all()


async def list_offers(
    session: ReadSession, partner_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[tuple[Offer, str]]:
    """Return up to `limit + 1` offers and their tariffs' codes. Raises `not_found`."""
    if await session.get(Partner, partner_id) is None:
        raise not_found("partner")
    statement = (
        select(Offer, Tariff.code)
        .join(Tariff, Tariff.id == Offer.tariff_id)
        .where(Offer.partner_id == partner_id)
        .order_by(Offer.tariff_id)
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(Offer.tariff_id > after)
    return [(offer, code) for offer, code in (await session.execute(statement)).all()]


async def _listings(session: ReadSession, tariffs: Select[Tariff]) -> list[TariffListing]:
    rows = (await session.scalars(tariffs)).all()
    ids = [row.id for row in rows]
    codes = await data_center_codes(session)
    versions = (
        await session.scalars(
            select(TariffVersion)
            .where(TariffVersion.tariff_id.in_(ids))
            .order_by(TariffVersion.number)
        )
    ).all()
    prices = (
        await session.scalars(
            select(TariffPriceRow).where(
                TariffPriceRow.version_id.in_([version.id for version in versions])
            )
        )
    ).all()
    return [
        TariffListing(
            tariff=row,
            data_center=codes[row.data_center_id],
            versions=[
                VersionListing(
                    version=version,
                    prices=[price for price in prices if price.version_id == version.id],
                )
                for version in versions
                if version.tariff_id == row.id
            ],
        )
        for row in rows
    ]
