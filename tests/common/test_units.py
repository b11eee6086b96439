"""Instants, lengths and amounts: conversions that lose nothing, and what is refused."""

# covers: P5

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.units import (
    NS_PER_MINUTE,
    NS_PER_S,
    instant_ns,
    interval_text,
    iso_utc,
    money,
    plain,
    round_to,
    utc_datetime,
)

INSTANT = 1_760_625_000 * NS_PER_S  # 2025-10-16T14:30:00Z


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(datetime(2025, 10, 16, 14, 30, tzinfo=UTC), INSTANT, id="utc"),
        pytest.param(datetime(2025, 10, 16, 10, 30, tzinfo=timezone(-timedelta(hours=4))), INSTANT, id="new-york"),
        pytest.param(datetime(1970, 1, 1, 0, 0, 0, 7, tzinfo=UTC), 7_000, id="microseconds"),
        pytest.param(datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC), -NS_PER_S, id="before-the-epoch"),
    ],
)
def test_an_aware_datetime_is_an_instant(moment, expected):
    assert instant_ns(moment) == expected
    assert utc_datetime(expected) == moment


def test_a_naive_datetime_is_refused():
    with pytest.raises(ValueError, match="naive datetime 2025-10-16T14:30:00: give it a time zone"):
        instant_ns(datetime(2025, 10, 16, 14, 30))


@given(st.datetimes(datetime(1950, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_datetimes_come_back(moment):
    assert utc_datetime(instant_ns(moment)) == moment
    assert datetime.fromisoformat(iso_utc(instant_ns(moment))) == moment


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (INSTANT, "2025-10-16T14:30:00Z"),
        (INSTANT + 120_000_000, "2025-10-16T14:30:00.12Z"),
        (INSTANT + 1, "2025-10-16T14:30:00.000000001Z"),
    ],
)
def test_iso_shows_nanoseconds_where_there_are_any(instant, text):
    assert iso_utc(instant) == text


@pytest.mark.parametrize(
    ("interval_ns", "text"),
    [(NS_PER_MINUTE, "1 minute"), (5 * NS_PER_MINUTE, "5 minutes"), (90 * NS_PER_S, "90 seconds")],
)
def test_the_length_of_a_bar_in_words(interval_ns, text):
    assert interval_text(interval_ns) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.50", "1.5"), ("1E+3", "1000"), ("-0", "0"), ("-0.00", "0"), ("100", "100"), ("1E-7", "0.0000001")],
)
def test_plain_text_of_an_amount(value, text):
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize(
    ("value", "quantum", "expected"),
    [
        (0.125, "0.01", "0.13"),
        (-0.125, "0.01", "-0.13"),
        (149.0, "100", "100"),
        (150.0, "100", "200"),
        (0.1, "1e-8", "0.1"),
    ],
)
def test_money_is_rounded_half_away_from_zero(value, quantum, expected):
    assert money(value, Decimal(quantum)) == Decimal(expected)
    assert round_to(Decimal(repr(value)), Decimal(quantum)) == Decimal(expected)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_no_amount(value):
    with pytest.raises(ValueError, match="is not a finite amount"):
        money(value, Decimal("0.01"))
