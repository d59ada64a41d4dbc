"""Brings a seller's tariffs in and up to date, from a catalogue that was fetched beforehand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from reselling_service.database import ResellingRuntime
from reselling_service.sellers.client import client_for
from reselling_service.sellers.queries import SellerAccess, lock_seller
from reselling_service.staff.actions import audit
from reselling_service.tariffs import queries
from reselling_service.tariffs.actions.pricing import put_prices
from reselling_service.tariffs.errors import NOT_IN_CATALOG, OTHER_CURRENCY
from reselling_service.tariffs.models import Tariff
from reselling_service.tariffs.rules import (
    Difference,
    Imported,
    OfferDiff,
    compare,
    other_currencies,
    sellable_prices,
)
from shared.contract.offers import Catalog, CatalogTariff
from shared.kit.db import ReadSession, WriteSession
from shared.kit.ids import new_id
from shared.kit.people import StaffPrincipal, Unattended
from shared.kit.problems import ProblemError


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportWish:
    """Which offers (None: all), at which markup, under which names by the seller's code."""

    upstream_ids: frozenset[UUID] | None
    markup_percent: Decimal
    names: Mapping[str, str] = field(default_factory=dict)
    enable: bool = False


async def fetch_catalog(runtime: ResellingRuntime, access: SellerAccess) -> Catalog:
    """What the seller offers; called with no transaction open.

    Raises SellerProblem, and `other_currency` unless every price is in the house's currency.
    """
    catalog = await client_for(
        runtime, url=access.url, key=access.key, trust=access.trust
    ).catalog()
    currency = runtime.settings.currency
    others = other_currencies(catalog, currency=currency)
    if others:
        detail = (
            f"The seller charges in {', '.join(sorted(others))}, this house sells in {currency}."
            " Exchange isn't supported: agree on one currency with the seller."
        )
        raise ProblemError(OTHER_CURRENCY, detail)
    return catalog


async def find_differences(
    session: ReadSession, *, seller_id: UUID, catalog: Catalog
) -> list[OfferDiff]:
    """How the catalogue stands to what was imported from this seller."""
    rows = await queries.list_imported(session, seller_id=seller_id)
    return compare(catalog, {row.upstream_id: _imported(row) for row in rows})


async def import_tariffs(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    seller_id: UUID,
    catalog: Catalog,
    wish: ImportWish,
) -> list[OfferDiff]:
    """Import what is wished for; what had been imported before is brought up to date.

    The answer tells how the wished offers stood before. Raises `not_in_catalog`.
    """
    await lock_seller(session, seller_id=seller_id)
    _check_offered(catalog, wish.upstream_ids)
    found = await find_differences(session, seller_id=seller_id, catalog=catalog)
    wished = [diff for diff in found if diff.offered and _wished(wish, diff.described)]
    for diff in wished:
        await _bring_in(session, seller_id, catalog.currency, diff, wish)
    await _remember(session, staff, "tariffs.import", seller_id, wished)
    return wished


async def resync(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    seller_id: UUID,
    catalog: Catalog,
) -> list[OfferDiff]:
    """Bring what was imported up to date, each with its own markup; new offers are only told."""
    await lock_seller(session, seller_id=seller_id)
    found = await find_differences(session, seller_id=seller_id, catalog=catalog)
    for diff in found:
        if diff.imported is None or diff.difference is Difference.SAME:
            continue
        row = await queries.lock_tariff(session, tariff_id=diff.imported.tariff_id)
        if diff.offered:
            await _update(session, row, diff.described)
        else:
            row.withdrawn = True
    await session.flush()
    changed = [diff for diff in found if diff.imported is not None]
    await _remember(session, staff, "tariffs.sync", seller_id, changed)
    return found


async def _bring_in(
    session: WriteSession, seller_id: UUID, currency: str, diff: OfferDiff, wish: ImportWish
) -> None:
    offer = diff.described
    name = wish.names.get(offer.code)
    if diff.imported is None:
        row = Tariff(
            id=new_id(),
            seller_id=seller_id,
            upstream_id=offer.tariff_id,
            name=name or offer.title,
            description=None,
            enabled=False,
            currency=currency,
        )
        session.add(row)
    else:
        row = await queries.lock_tariff(session, tariff_id=diff.imported.tariff_id)
        row.name = name or row.name
    row.markup_percent = wish.markup_percent
    row.enabled = row.enabled or wish.enable
    await _update(session, row, offer)


async def _update(session: WriteSession, row: Tariff, offer: CatalogTariff) -> None:
    """Take over what the seller says; name, markup and whether it is sold stay ours."""
    row.upstream_version = offer.version
    row.withdrawn = False
    row.os_templates = [template.code for template in offer.os_templates]
    row.upstream = offer.model_dump(mode="json")
    row.imported_at = session.clock.now()
    await session.flush()
    await put_prices(session, row, sellable_prices(offer))


def _imported(row: Tariff) -> Imported:
    return Imported(
        tariff_id=row.id,
        name=row.name,
        withdrawn=row.withdrawn,
        upstream=CatalogTariff.model_validate(row.upstream),
    )


def _wished(wish: ImportWish, offer: CatalogTariff) -> bool:
    return wish.upstream_ids is None or offer.tariff_id in wish.upstream_ids


def _check_offered(catalog: Catalog, upstream_ids: frozenset[UUID] | None) -> None:
    missing = (upstream_ids or frozenset()) - {offer.tariff_id for offer in catalog.tariffs}
    if missing:
        named = ", ".join(sorted(map(str, missing)))
        detail = f"Nothing was imported: the seller doesn't offer {named}."
        raise ProblemError(NOT_IN_CATALOG, detail)


async def _remember(
    session: WriteSession,
    staff: StaffPrincipal | Unattended,
    action: str,
    seller_id: UUID,
    found: Sequence[OfferDiff],
) -> None:
    codes: dict[str, list[str]] = {}
    for diff in found:
        if diff.difference is not Difference.SAME:
            codes.setdefault(diff.difference, []).append(diff.described.code)
    await audit(session, staff, action, object_type="seller", object_id=seller_id, after=codes)
