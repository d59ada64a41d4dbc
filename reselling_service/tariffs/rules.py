"""Prices of the reseller, and how a seller's catalogue differs from what was imported.

Knows no database. Every amount is in minor units of one currency; a charge is whole, rounded
half-up once per line.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from shared.contract.basics import Period
from shared.contract.offers import Catalog, CatalogTariff, TariffPrice

_HUNDRED = Decimal(100)
_WHOLE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SellableTariff:
    """A tariff for one period. `price` per term and `setup_fee` are the client's, whole.

    `upstream_price` and `upstream_setup_fee` are the seller's, with up to six decimals.
    `capabilities` is None where the seller doesn't say what its platform can do.
    """

    tariff_id: UUID
    seller_id: UUID
    name: str
    enabled: bool
    withdrawn: bool
    upstream_id: UUID
    upstream_version: int
    period: str
    price: int
    setup_fee: int
    upstream_price: Decimal
    upstream_setup_fee: Decimal
    currency: str
    os_templates: tuple[str, ...]
    capabilities: frozenset[str] | None = None

    @property
    def first_total(self) -> int:
        """What the client pays for the first term, set-up included."""
        return self.price + self.setup_fee

    @property
    def upstream_first_total(self) -> int:
        """What the seller charges for the first term: two charge lines, each rounded half-up."""
        return charge(self.upstream_price) + charge(self.upstream_setup_fee)

    @property
    def upstream_renewal(self) -> int:
        """What the seller charges for another term."""
        return charge(self.upstream_price)


def charge(unit_price: Decimal) -> int:
    """One charge line: whole minor units, rounded half-up."""
    return int(unit_price.quantize(_WHOLE, rounding=ROUND_HALF_UP))


def marked_up(unit_price: Decimal, *, markup_percent: Decimal) -> int:
    """The client's price for what the seller charges; never below that."""
    cost = charge(unit_price)
    return max(cost, charge(cost * (_HUNDRED + markup_percent) / _HUNDRED))


class Difference(StrEnum):
    """How an offer of the seller stands to what was imported."""

    NEW = "new"
    CHANGED = "changed"
    WITHDRAWN = "withdrawn"
    RETURNED = "returned"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One part of an offer, before and after, as JSON can say it."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What is kept of an offer: our id, our name, the seller's last description."""

    tariff_id: UUID
    name: str
    withdrawn: bool
    upstream: CatalogTariff


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDiff:
    """One offer compared: `described` by the seller now, or last where it isn't offered any more.

    `imported` is None where it is new here.
    """

    difference: Difference
    described: CatalogTariff
    offered: bool
    imported: Imported | None
    changes: tuple[FieldChange, ...] = ()


# Stock goes up and down all day: what counts is looked at when somebody orders.
_COMPARED = (
    "version",
    "code",
    "title",
    "data_center",
    "resources",
    "os_templates",
    "capabilities",
    "prices",
    "orderable",
)


def compare(catalog: Catalog, imported: Mapping[UUID, Imported]) -> list[OfferDiff]:
    """Every offer and every imported tariff (by the seller's id) once, offers first."""
    offered = [_compare_one(offer, imported.get(offer.tariff_id)) for offer in catalog.tariffs]
    ids = {offer.tariff_id for offer in catalog.tariffs}
    gone = [
        OfferDiff(
            difference=Difference.SAME if known.withdrawn else Difference.WITHDRAWN,
            described=known.upstream,
            offered=False,
            imported=known,
        )
        for upstream_id, known in imported.items()
        if upstream_id not in ids
    ]
    return [*offered, *gone]


def _compare_one(offer: CatalogTariff, known: Imported | None) -> OfferDiff:
    if known is None:
        return OfferDiff(difference=Difference.NEW, described=offer, offered=True, imported=None)
    changes = tuple(_changes(known.upstream, offer))
    difference = Difference.CHANGED if changes else Difference.SAME
    if known.withdrawn:
        difference = Difference.RETURNED
    return OfferDiff(
        difference=difference, described=offer, offered=True, imported=known, changes=changes
    )


def _changes(before: CatalogTariff, after: CatalogTariff) -> Iterable[FieldChange]:
    said_before, said_after = (offer.model_dump(mode="json") for offer in (before, after))
    for field in _COMPARED:
        if getattr(before, field) != getattr(after, field):
            yield FieldChange(field=field, before=said_before[field], after=said_after[field])


def sellable_prices(offer: CatalogTariff) -> list[TariffPrice]:
    """The prices whose periods we know: what is charged must be renewed in time."""
    return [price for price in offer.prices if price.period in set(Period)]


def other_currencies(catalog: Catalog, *, currency: str) -> set[str]:
    """Currencies in the catalogue that aren't the house's."""
    named = {catalog.currency}
    for offer in catalog.tariffs:
        for price in offer.prices:
            named |= {price.price.currency, price.setup_fee.currency}
    return named - {currency}
