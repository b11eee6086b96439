"""Numbers as a reader wants them. What is not defined is a dash."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from decimal import ROUND_FLOOR, Decimal

from LIVE_TRADING.common.units import utc_datetime

UNDEFINED = "–"


def usd(amount: Decimal | float, places: int = 2) -> str:
    """Return dollars with a true minus sign."""
    value = float(amount)
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{abs(value):,.{places}f}"
    return f"−${text}" if value < 0 and text.strip("0.,") else f"${text}"


def whole_cents(parts: Sequence[Decimal | float], total: Decimal | float) -> list[Decimal]:
    """Return the parts of a total in whole cents that add up to the total as `usd` prints it (largest remainders)."""
    exact = [Decimal(part) * 100 for part in parts]
    cents = [part.to_integral_value(ROUND_FLOOR) for part in exact]
    by_remainder = sorted(range(len(parts)), key=lambda row: cents[row] - exact[row])
    missing = int(Decimal(f"{float(total):.2f}") * 100 - sum(cents, Decimal(0)))
    for row in by_remainder[:missing]:
        cents[row] += 1
    return [part / 100 for part in cents]


def pct(frac: float, places: int) -> str:
    """Return a fraction as percent."""
    return _signed(frac * 100, places, " %")


def bps(value: float) -> str:
    """Return basis points."""
    return _signed(value, 2, " bps")


def ratio(value: float) -> str:
    """Return a plain number."""
    return _signed(value, 2, "")


def whole(value: float) -> str:
    """Return a number of things, rounded up: so many are needed."""
    return f"{math.ceil(value):,}" if math.isfinite(value) else UNDEFINED


def _signed(value: float, places: int, unit: str) -> str:
    if not math.isfinite(value):
        return UNDEFINED
    text = f"{abs(value):,.{places}f}"
    return f"{'−' if value < 0 and text.strip('0.,') else ''}{text}{unit}"


def tone(amount: Decimal | float) -> str:
    """Return the style of a gain or a loss."""
    return "gain" if amount > 0 else "loss" if amount < 0 else ""


def decimals(step: float) -> int:
    """Return how many decimals tell two values apart that lie one step apart."""
    return max(0, math.ceil(-math.log10(step) - 1e-9))


def count(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun in singular or plural."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """Return a length of time in its two largest units."""
    if not math.isfinite(seconds):
        return UNDEFINED
    span = timedelta(seconds=round(seconds))
    hours, rest = divmod(span.seconds, 3600)
    if span.days:
        return f"{span.days} d {hours} h"
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"


def minute_utc(instant_ns: int) -> str:
    """Return an instant to the minute."""
    return utc_datetime(instant_ns).strftime("%Y-%m-%d %H:%M UTC")


def price(value: Decimal | float) -> str:
    """Return a price: two decimals, more where it is small."""
    amount = float(value)
    if not math.isfinite(amount):
        return UNDEFINED
    places = 2 if abs(amount) >= 10 else 4 if abs(amount) >= 0.1 else 6
    return f"{amount:,.{places}f}"


def clock(minutes: int) -> str:
    """Return a time of day from minutes after midnight."""
    return f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
