"""Shapes of the API of tariffs: cost and margin for staff, not a word of them for clients."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field

from reselling_service.tariffs.models import Tariff, TariffPrice
from reselling_service.tariffs.rules import Difference, OfferDiff, charge
from shared.contract.basics import Capability, Flag, Input, Money, Output, Timestamp
from shared.contract.offers import CatalogTariff, OSTemplate, Resources
from shared.kit.text import Line, Lines

_MOST_TARIFFS = 1000

Markup = Annotated[
    Decimal,
    Field(
        ge=0,
        le=1000,
        max_digits=6,
        decimal_places=2,
        description="Percent on top of what the seller charges.",
        examples=["20"],
    ),
]


class ImportRequest(Input):
    """What to import from a seller, under which names and prices.

    Tariffs imported before are brought up to date, with this markup; one without a new name keeps
    its own.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "upstream_ids": None,
                    "markup_percent": "20",
                    "names": {"vm-s": "Small"},
                    "enable": True,
                }
            ]
        }
    )

    upstream_ids: Annotated[list[UUID], Field(min_length=1, max_length=_MOST_TARIFFS)] | None = (
        Field(default=None, description="The seller's ids of tariffs; null for all of them.")
    )
    markup_percent: Markup
    names: dict[Line, Line] = Field(
        default={}, max_length=_MOST_TARIFFS, description="Our names by the seller's codes."
    )
    enable: Flag = Field(default=False, description="Sell them at once.")


class SyncRequest(Input):
    """Whether only to look."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"dry_run": True}]})

    dry_run: Flag = Field(default=False, description="Tell the differences and change nothing.")


class ChangeView(Output):
    """One part of an offer, before and after, in the seller's words."""

    field: str = Field(examples=["prices"])
    before: Any
    after: Any


class DiffView(Output):
    """How one offer of the seller stands to what was imported: `new` ones aren't imported yet."""

    difference: str = Field(examples=["changed"])
    upstream_id: UUID
    code: str
    tariff_id: UUID | None
    name: str | None
    changes: list[ChangeView]


class DiffResult(Output):
    """What differed between the seller's catalogue and the tariffs here; `same` is left out."""

    dry_run: bool
    catalog_version: str
    same: int
    items: list[DiffView]


class TariffChange(Input):
    """What shall be different; fields left out stay, null empties the description."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "Small", "markup_percent": "25.5"}]}
    )

    name: Line = Field(default_factory=str)
    description: Lines | None = None
    markup_percent: Markup = Field(default_factory=Decimal)
    enabled: Flag = Field(default_factory=bool)


class PriceView(Output):
    """What one period costs a client."""

    period: str = Field(examples=["month"])
    price: Money
    setup_fee: Money


class StaffPriceView(PriceView):
    """With what the seller charges for it, and what is left per term."""

    cost: Money
    setup_cost: Money
    margin: Money


class OfferView(Output):
    """A tariff as clients see it."""

    id: UUID
    name: str
    description: str | None
    resources: Resources
    os_templates: list[OSTemplate]
    capabilities: list[Capability | str] | None = Field(
        description="What an order may ask for beside size and system; null: not known."
    )
    prices: list[PriceView]


class TariffView(Output):
    """A tariff as staff sees it."""

    id: UUID
    seller_id: UUID
    upstream_id: UUID
    upstream_version: int
    upstream_code: str
    upstream_title: str
    data_center: str
    name: str
    description: str | None
    enabled: bool
    withdrawn: bool
    markup_percent: Decimal
    resources: Resources
    os_templates: list[OSTemplate]
    capabilities: list[Capability | str] | None
    prices: list[StaffPriceView]
    imported_at: Timestamp


def offer_view(row: Tariff, prices: Sequence[TariffPrice]) -> OfferView:
    """What a client may know of a tariff."""
    upstream = CatalogTariff.model_validate(row.upstream)
    return OfferView(
        id=row.id,
        name=row.name,
        description=row.description,
        resources=upstream.resources,
        os_templates=upstream.os_templates,
        capabilities=upstream.capabilities,
        prices=[
            PriceView(
                period=price.period,
                price=Money(amount=price.price, currency=row.currency),
                setup_fee=Money(amount=price.setup_fee, currency=row.currency),
            )
            for price in prices
        ],
    )


def tariff_view(row: Tariff, prices: Sequence[TariffPrice]) -> TariffView:
    """Everything that is known of a tariff."""
    upstream = CatalogTariff.model_validate(row.upstream)
    return TariffView(
        id=row.id,
        seller_id=row.seller_id,
        upstream_id=row.upstream_id,
        upstream_version=row.upstream_version,
        upstream_code=upstream.code,
        upstream_title=upstream.title,
        data_center=upstream.data_center,
        name=row.name,
        description=row.description,
        enabled=row.enabled,
        withdrawn=row.withdrawn,
        markup_percent=row.markup_percent,
        resources=upstream.resources,
        os_templates=upstream.os_templates,
        capabilities=upstream.capabilities,
        prices=[_staff_price(price, row.currency) for price in prices],
        imported_at=row.imported_at,
    )


def diff_result(found: Sequence[OfferDiff], *, catalog_version: str, dry_run: bool) -> DiffResult:
    """What differed, in the order of the catalogue, withdrawn ones last."""
    differing = [diff for diff in found if diff.difference is not Difference.SAME]
    return DiffResult(
        dry_run=dry_run,
        catalog_version=catalog_version,
        same=len(found) - len(differing),
        items=[_diff(diff) for diff in differing],
    )


def _staff_price(price: TariffPrice, currency: str) -> StaffPriceView:
    cost = charge(price.upstream_price)
    return StaffPriceView(
        period=price.period,
        price=Money(amount=price.price, currency=currency),
        setup_fee=Money(amount=price.setup_fee, currency=currency),
        cost=Money(amount=cost, currency=currency),
        setup_cost=Money(amount=charge(price.upstream_setup_fee), currency=currency),
        margin=Money(amount=price.price - cost, currency=currency),
    )


def _diff(diff: OfferDiff) -> DiffView:
    offer, known = diff.described, diff.imported
    return DiffView(
        difference=diff.difference,
        upstream_id=offer.tariff_id,
        code=offer.code,
        tariff_id=known.tariff_id if known else None,
        name=known.name if known else None,
        changes=[
            ChangeView(field=change.field, before=change.before, after=change.after)
            for change in diff.changes
        ],
    )
