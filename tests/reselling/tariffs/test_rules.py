"""Prices: half-up, never below cost, whole minor units."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reselling_service.tariffs.rules import SellableTariff, charge, marked_up
from shared.kit.ids import new_id

PRICES = st.decimals(min_value=0, max_value=10**9, places=6)
MARKUPS = st.decimals(min_value=0, max_value=1000, places=2)


@pytest.mark.parametrize(
    ("unit", "whole"), [("0.5", 1), ("0.499999", 0), ("1.5", 2), ("2.5", 3), ("990", 990)]
)
def test_a_charge_is_rounded_half_up(unit: str, whole: int) -> None:
    assert charge(Decimal(unit)) == whole


@pytest.mark.parametrize(
    ("unit", "markup", "price"),
    [
        ("1000", "20", 1200),
        ("1000", "0", 1000),
        ("990.5", "20", 1189),  # 991 is charged; 1189.2
        ("1.4", "50", 2),  # 1 is charged; 1.5
        ("1", "10", 1),
        ("0", "1000", 0),
        ("333", "33.33", 444),  # 443.9889
    ],
)
def test_a_price_is_the_charge_with_the_markup(unit: str, markup: str, price: int) -> None:
    assert marked_up(Decimal(unit), markup_percent=Decimal(markup)) == price


@given(unit=PRICES, markup=MARKUPS)
def test_a_price_is_never_below_cost(unit: Decimal, markup: Decimal) -> None:
    price = marked_up(unit, markup_percent=markup)
    exact = charge(unit) * (100 + markup) / 100
    assert price >= charge(unit)
    assert abs(price - exact) <= Decimal("0.5")


def test_the_first_charge_of_a_seller_has_two_lines_each_rounded() -> None:
    tariff = SellableTariff(
        tariff_id=new_id(),
        seller_id=new_id(),
        name="Small",
        enabled=True,
        withdrawn=False,
        upstream_id=new_id(),
        upstream_version=1,
        period="month",
        price=1189,
        setup_fee=120,
        upstream_price=Decimal("990.5"),
        upstream_setup_fee=Decimal("100.5"),
        currency="EUR",
        os_templates=("debian-12",),
    )
    assert tariff.upstream_first_total == 991 + 101
    assert tariff.upstream_renewal == 991
    assert tariff.first_total == 1309
