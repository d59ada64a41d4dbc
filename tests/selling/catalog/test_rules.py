"""Charges against exact fractions, terms against the calendar."""

import calendar
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selling_service.catalog.rules import charge, term_end, unit_price
from shared.contract.basics import Period

PRICES = st.decimals(min_value=0, max_value=10**13, places=6)
PERCENTS = st.decimals(min_value=0, max_value=100, places=2)
ANCHORS = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2150, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    timezones=st.just(UTC),
)
MONTHLY = {Period.MONTH: 1, Period.QUARTER: 3, Period.HALF_YEAR: 6, Period.YEAR: 12}


def half_up(exact: Fraction) -> int:
    return floor(exact + Fraction(1, 2))


def discounted(price: Decimal, percent: Decimal) -> Fraction:
    return Fraction(price) * (100 - Fraction(percent)) / 100


@given(price=PRICES, percent=PERCENTS)
def test_charge_is_the_exact_price_rounded_half_up_once(price: Decimal, percent: Decimal) -> None:
    assert charge(price, discount_percent=percent) == half_up(discounted(price, percent))


@given(price=PRICES, percent=PERCENTS)
def test_shown_price_rounds_to_what_is_charged(price: Decimal, percent: Decimal) -> None:
    shown = unit_price(price, discount_percent=percent)
    assert shown.as_tuple().exponent == -6
    assert 0 <= discounted(price, percent) - Fraction(shown) < Fraction(1, 10**6)
    assert half_up(Fraction(shown)) == charge(price, discount_percent=percent)


@pytest.mark.parametrize(
    ("price", "percent", "amount"),
    [
        ("0.5", "0", 1),
        ("0.499999", "0", 0),
        ("1.5", "0", 2),
        ("2.5", "0", 3),
        ("990", "0", 990),
        ("990", "12.5", 866),
        ("999", "50", 500),
        ("990", "100", 0),
        ("0", "0", 0),
        ("9999999999999.999999", "0.01", 9_999_000_000_000),
    ],
)
def test_charge_by_hand(price: str, percent: str, amount: int) -> None:
    assert charge(Decimal(price), discount_percent=Decimal(percent)) == amount


@pytest.mark.parametrize(
    ("anchor", "period", "ends"),
    [
        ((2026, 1, 31), Period.MONTH, [(2026, 2, 28), (2026, 3, 31), (2026, 4, 30)]),
        ((2028, 1, 31), Period.MONTH, [(2028, 2, 29), (2028, 3, 31)]),
        ((2026, 11, 30), Period.QUARTER, [(2027, 2, 28), (2027, 5, 30)]),
        ((2026, 8, 31), Period.HALF_YEAR, [(2027, 2, 28), (2027, 8, 31)]),
        ((2028, 2, 29), Period.YEAR, [(2029, 2, 28), (2030, 2, 28), (2031, 2, 28), (2032, 2, 29)]),
        ((2026, 12, 15), Period.MONTH, [(2027, 1, 15)]),
    ],
)
def test_month_ends_are_counted_from_the_first_start(
    anchor: tuple[int, int, int], period: Period, ends: list[tuple[int, int, int]]
) -> None:
    start = datetime(*anchor, 13, 45, 7, tzinfo=UTC)
    found = [term_end(start, period, count) for count in range(1, len(ends) + 1)]
    assert found == [datetime(*end, 13, 45, 7, tzinfo=UTC) for end in ends]


@given(anchor=ANCHORS, period=st.sampled_from(sorted(MONTHLY)), count=st.integers(0, 120))
def test_months_keep_the_day_where_the_month_has_it(
    anchor: datetime, period: Period, count: int
) -> None:
    end = term_end(anchor, period, count)
    months = anchor.year * 12 + anchor.month - 1 + MONTHLY[period] * count
    assert (end.year, end.month) == (months // 12, months % 12 + 1)
    assert end.day == min(anchor.day, calendar.monthrange(end.year, end.month)[1])
    assert end.timetz() == anchor.timetz()


@given(anchor=ANCHORS, period=st.sampled_from(sorted(Period)), count=st.integers(0, 50))
def test_terms_follow_each_other_without_a_gap(
    anchor: datetime, period: Period, count: int
) -> None:
    assert term_end(anchor, period, 0) == anchor
    assert term_end(anchor, period, count) < term_end(anchor, period, count + 1)


@given(anchor=ANCHORS, count=st.integers(0, 10_000))
def test_hours_and_days_are_exact(anchor: datetime, count: int) -> None:
    assert term_end(anchor, Period.HOUR, count) - anchor == timedelta(hours=count)
    assert term_end(anchor, Period.DAY, count) - anchor == timedelta(days=count)


def test_term_is_reckoned_in_utc_whatever_zone_the_anchor_has() -> None:
    # Moscow's first of March is still February in UTC.
    anchor = datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=3)))
    end = term_end(anchor, Period.MONTH, 1)
    assert (end, end.tzinfo) == (datetime(2026, 3, 28, 22, tzinfo=UTC), UTC)


def test_anchor_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        term_end(datetime(2026, 3, 1), Period.MONTH, 1)  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize("period", list(Period))
def test_term_beyond_the_calendar_is_a_value_error(period: Period) -> None:
    with pytest.raises(ValueError, match=r"calendar|range"):
        term_end(datetime(9999, 12, 31, 23, 30, tzinfo=UTC), period, 1)
