"""Prices, charges and terms as pure arithmetic; knows no database and no currency.

Prices are minor units with up to six decimals. A charge line is rounded half-up, once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Protocol
from uuid import UUID

from dateutil.relativedelta import relativedelta

from shared.contract.basics import Period

MONTHS: Mapping[Period, int] = {
    Period.MONTH: 1,
    Period.QUARTER: 3,
    Period.HALF_YEAR: 6,
    Period.YEAR: 12,
}
SPANS: Mapping[Period, timedelta] = {
    Period.HOUR: timedelta(hours=1),
    Period.DAY: timedelta(days=1),
}
# Wide enough for twenty digits times a discount, so that nothing is rounded on the way.
_EXACT = Context(prec=60)
_SIX_DECIMALS = Decimal("0.000001")


def _discounted(price: Decimal, discount_percent: Decimal) -> Decimal:
    part = _EXACT.subtract(Decimal(100), discount_percent)
    return _EXACT.divide(_EXACT.multiply(price, part), Decimal(100))


def charge(price: Decimal, *, discount_percent: Decimal) -> int:
    """One charge line in whole minor units, rounded half-up once, after the discount."""
    exact = _discounted(price, discount_percent)
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP, context=_EXACT))


def unit_price(price: Decimal, *, discount_percent: Decimal) -> Decimal:
    """The price to show, with six decimals.

    Cut, not rounded: what is shown then rounds to the very amount that is charged.
    """
    exact = _discounted(price, discount_percent)
    return exact.quantize(_SIX_DECIMALS, rounding=ROUND_DOWN, context=_EXACT)


def term_end(anchor: datetime, period: Period, count: int) -> datetime:
    """Return the end of `count` periods after `anchor`, in UTC.

    Months are counted from the anchor, so Jan 31 gives Feb 28 and then Mar 31. Raises ValueError
    for a naive anchor or a date that no calendar holds.
    """
    if anchor.tzinfo is None:
        message = "the anchor of a term needs a time zone"
        raise ValueError(message)
    start = anchor.astimezone(UTC)
    try:
        if period in SPANS:
            return start + SPANS[period] * count
        return start + relativedelta(months=MONTHS[period] * count)
    except OverflowError as error:
        message = "the term ends after the last day of the calendar"
        raise ValueError(message) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPrice:
    """What everybody pays for one period before discounts, in minor units."""

    price: Decimal
    setup_fee: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedVersion:
    """A version of a tariff as one partner may buy it. `stock` null: not counted.

    `capabilities` are those of the platform, None before it was asked for them.

    The discount goes off the price and off the set-up fee.
    """

    tariff_id: UUID
    version_id: UUID
    version: int
    code: str
    title: str
    data_center_id: UUID
    data_center_code: str
    data_center_open: bool
    platform: str
    capabilities: frozenset[str] | None
    withdrawn: bool
    stock: int | None
    vcpu: int
    ram_mib: int
    disk_gib: int
    ipv4: int
    os_templates: tuple[str, ...]
    prices: Mapping[Period, ListPrice]
    discount_percent: Decimal
    effective_from: datetime

    @property
    def orderable(self) -> bool:
        """Whether an order has a chance, as far as the catalogue knows."""
        return self.data_center_open and not self.withdrawn and self.stock != 0

    def renewal_charge(self, period: Period) -> int:
        """Minor units of one more period. Raises KeyError where there is no such price."""
        return charge(self.prices[period].price, discount_percent=self.discount_percent)

    def first_charge(self, period: Period) -> tuple[int, int]:
        """Minor units of the first period and of the set-up, two lines. Raises KeyError."""
        setup = charge(self.prices[period].setup_fee, discount_percent=self.discount_percent)
        return self.renewal_charge(period), setup


class Totals(Protocol):
    """How much a platform has in all, whoever measured it."""

    @property
    def vms(self) -> int: ...
    @property
    def vcpu(self) -> int: ...
    @property
    def ram_mib(self) -> int: ...
    @property
    def disk_gib(self) -> int: ...
