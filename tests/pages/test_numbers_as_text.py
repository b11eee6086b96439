"""Numbers as a reader wants them."""

# covers: R8

from __future__ import annotations

from decimal import Decimal

import pytest

from LIVE_TRADING.pages.numbers import bps, clock, count, decimals, duration, pct, price, ratio, usd, whole, whole_cents


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (usd(Decimal("-1234.5")), "−$1,234.50"),
        (usd(-0.001), "$0.00"),
        (usd(float("nan")), "–"),
        (pct(-0.0123, 1), "−1.2 %"),
        (pct(-0.00001, 1), "0.0 %"),
        (ratio(float("nan")), "–"),
        (bps(3.14159), "3.14 bps"),
        (count(1, "session"), "1 session"),
        (count(2000, "symbol"), "2,000 symbols"),
        (duration(59), "0 min"),
        (duration(3 * 3600 + 240), "3 h 4 min"),
        (duration(90000), "1 d 1 h"),
        (decimals(0.05), 2),
        (decimals(200.0), 0),
        (duration(float("nan")), "–"),
        (whole(41.2), "42"),
        (whole(float("nan")), "–"),
        (count(2, "entry", "entries"), "2 entries"),
        (price(Decimal("1234.5")), "1,234.50"),
        (price(1.08342), "1.0834"),
        (price(float("nan")), "–"),
        (clock(570), "09:30"),
        (clock(1440), "00:00"),
    ],
)
def test_numbers_as_a_reader_wants_them(got, expected):
    assert got == expected


@pytest.mark.parametrize(
    ("parts", "total", "expected"),
    [
        pytest.param(["-0.884", "1742.258"], "1741.374", ["-0.89", "1742.26"], id="as-the-reader-found-it"),
        pytest.param(["0.004", "0.004", "0.004"], "0.012", ["0.01", "0.00", "0.00"], id="the-first-of-equals"),
        pytest.param(["-0.006", "-0.006"], "-0.012", ["0.00", "-0.01"], id="losses"),
        pytest.param(["5"], "5", ["5.00"], id="alone"),
        pytest.param([], "0", [], id="none"),
    ],
)
def test_parts_in_whole_cents_add_up_to_the_printed_total(parts, total, expected):
    found = whole_cents([Decimal(part) for part in parts], Decimal(total))
    assert sorted(found) == sorted(Decimal(text) for text in expected)
    assert usd(sum(found, Decimal(0))) == usd(Decimal(total))
    assert all(abs(cents - Decimal(part)) < Decimal("0.01") for cents, part in zip(found, parts, strict=True))
