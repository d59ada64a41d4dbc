"""Prices of the reseller: what the seller charges, what the client pays. Knows no database.

Every amount is in minor units of one currency; a charge is whole, rounded half-up once per line.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

_HUNDRED = Decimal(100)
_WHOLE = Decimal(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SellableTariff:
    """A tariff for one period. `price` per term and `setup_fee` are the client's, whole.

    `upstream_price` and `upstream_setup_fee` are the seller's, with up to six decimals.
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
