"""Brings the catalogue to what a document says, by codes; doing it again changes nothing."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select

from selling_service.catalog.actions.offers import grant_offer
from selling_service.catalog.actions.places import (
    change_data_center,
    change_os_template,
    create_data_center,
    create_os_template,
)
from selling_service.catalog.actions.tariffs import (
    add_version,
    change_tariff,
    create_tariff,
)
from selling_service.catalog.errors import unknown
from selling_service.catalog.models import (
    DataCenter,
    Offer,
    OSTemplateRow,
    Tariff,
    TariffPriceRow,
    TariffVersion,
)
from selling_service.catalog.schemas import (
    CatalogueDocument,
    DataCenterChangeInput,
    DataCenterInput,
    LoadOutput,
    OfferDocument,
    OSTemplateChangeInput,
    OSTemplateInput,
    TariffChangeInput,
    TariffDocument,
    TariffInput,
    VersionInput,
    VersionSpec,
)
from selling_service.partners.models import Partner
from shared.contract.problems import FieldError
from shared.kit.db import WriteSession
from shared.kit.people.principals import Doer, Unattended
from shared.kit.problems import ProblemError


class Outcome(StrEnum):
    """What became of one part of the document."""

    CREATED = "created"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


async def load_catalogue(
    session: WriteSession,
    document: CatalogueDocument,
    *,
    platforms: Collection[str],
    staff: Doer = Unattended.CLI,
) -> LoadOutput:
    """Make or change all that the document names. Raises `invalid_request` with the place.

    A tariff that sells something else than its latest version gets another one, from now on.
    """
    done: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    for number, data_center in enumerate(document.data_centers):
        with _at(f"data_centers.{number}"):
            outcome = await _data_center(session, staff, data_center, platforms)
        done[outcome].append(f"data_center {data_center.code}")
    for template in document.os_templates:
        done[await _os_template(session, staff, template)].append(f"os_template {template.code}")
    for number, tariff in enumerate(document.tariffs):
        with _at(f"tariffs.{number}"):
            outcome = await _tariff(session, staff, tariff)
        done[outcome].append(f"tariff {tariff.code}")
    for number, offer in enumerate(document.offers):
        with _at(f"offers.{number}"):
            outcome = await _offer(session, staff, offer)
        done[outcome].append(f"offer {offer.tariff} to {offer.partner}")
    return LoadOutput(
        created=done[Outcome.CREATED],
        changed=done[Outcome.CHANGED],
        unchanged=done[Outcome.UNCHANGED],
    )


@contextmanager
def _at(place: str) -> Iterator[None]:
    """Name the place in the document where a problem arises."""
    try:
        yield
    except ProblemError as problem:
        moved = [
            FieldError(path=f"body.{place}{error.path.removeprefix('body')}", message=error.message)
            for error in problem.errors
        ]
        detail = f"{place}: {problem.detail}"
        raise ProblemError(problem.type, detail, errors=moved) from problem


async def _data_center(
    session: WriteSession, staff: Doer, wanted: DataCenterInput, platforms: Collection[str]
) -> Outcome:
    statement = select(DataCenter).where(DataCenter.code == wanted.code)
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        await create_data_center(session, staff, wanted, platforms=platforms)
        return Outcome.CREATED
    if row.platform != wanted.platform:
        message = f"{row.code} is on {row.platform}; its VMs can't move to {wanted.platform}"
        raise unknown("platform", message)
    same = (row.title, row.open) == (wanted.title, wanted.open)
    change = DataCenterChangeInput(title=wanted.title, open=wanted.open)
    await change_data_center(session, staff, row.id, change)
    return Outcome.UNCHANGED if same else Outcome.CHANGED


async def _os_template(session: WriteSession, staff: Doer, wanted: OSTemplateInput) -> Outcome:
    row = await session.get(OSTemplateRow, wanted.code)
    if row is None:
        await create_os_template(session, staff, wanted)
        return Outcome.CREATED
    same = (row.title, row.image) == (wanted.title, wanted.image)
    change = OSTemplateChangeInput(title=wanted.title, image=wanted.image)
    await change_os_template(session, staff, wanted.code, change)
    return Outcome.UNCHANGED if same else Outcome.CHANGED


async def _tariff(session: WriteSession, staff: Doer, wanted: TariffDocument) -> Outcome:
    row = (await session.scalars(select(Tariff).where(Tariff.code == wanted.code))).one_or_none()
    change = TariffChangeInput(title=wanted.title, withdrawn=wanted.withdrawn)
    if row is None:
        first = TariffInput(**wanted.model_dump(exclude={"withdrawn"}))
        row = await create_tariff(session, staff, first)
        if wanted.withdrawn:
            await change_tariff(session, staff, row.id, change)
        return Outcome.CREATED
    home = select(DataCenter.code).where(DataCenter.id == row.data_center_id)
    if await session.scalar(home) != wanted.data_center:
        raise unknown("data_center", f"{row.code} can't move to another data centre")
    renamed = (row.title, row.withdrawn) != (wanted.title, wanted.withdrawn)
    await change_tariff(session, staff, row.id, change)
    replaced = await _differs(session, row.id, wanted)
    if replaced:
        spec = VersionInput(**wanted.model_dump(include=set(VersionInput.model_fields)))
        await add_version(session, staff, row.id, spec)
    return Outcome.CHANGED if renamed or replaced else Outcome.UNCHANGED


async def _differs(session: WriteSession, tariff_id: UUID, wanted: TariffDocument) -> bool:
    """Whether the latest version sells something else, or from another time on."""
    statement = (
        select(TariffVersion)
        .where(TariffVersion.tariff_id == tariff_id)
        .order_by(TariffVersion.number.desc())
        .limit(1)
    )
    latest = (await session.scalars(statement)).one()
    priced = select(TariffPriceRow).where(TariffPriceRow.version_id == latest.id)
    prices = {row.period: (row.price, row.setup_fee) for row in await session.scalars(priced)}
    since = wanted.effective_from
    return (
        (latest.vcpu, latest.ram_mib, latest.disk_gib, latest.ipv4)
        != (wanted.vcpu, wanted.ram_mib, wanted.disk_gib, wanted.ipv4)
        or set(latest.os_templates) != set(wanted.os_templates)
        or prices != _listed(wanted)
        or (since is not None and since != latest.effective_from)
    )


def _listed(wanted: VersionSpec) -> Mapping[str, tuple[Decimal, Decimal]]:
    return {
        str(period): (listed.price, listed.setup_fee) for period, listed in wanted.prices.items()
    }


async def _offer(session: WriteSession, staff: Doer, wanted: OfferDocument) -> Outcome:
    partner_id = await session.scalar(select(Partner.id).where(Partner.name == wanted.partner))
    if partner_id is None:
        raise unknown("partner", f"there is no partner {wanted.partner}")
    tariff_id = await session.scalar(select(Tariff.id).where(Tariff.code == wanted.tariff))
    if tariff_id is None:
        raise unknown("tariff", f"there is no tariff {wanted.tariff}")
    row = await session.get(Offer, (partner_id, tariff_id))
    before = None if row is None else row.discount_percent
    await grant_offer(
        session,
        staff,
        partner_id=partner_id,
        tariff_id=tariff_id,
        discount_percent=wanted.discount_percent,
    )
    if before is None:
        return Outcome.CREATED
    return Outcome.UNCHANGED if before == wanted.discount_percent else Outcome.CHANGED
