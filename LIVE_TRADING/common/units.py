"""The only place where units are converted."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache

BPS = 1e4
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
NS_PER_MINUTE = 60 * NS_PER_S
NS_PER_DAY = 86_400 * NS_PER_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc_datetime(instant_ns: int) -> datetime:
    """Return the aware UTC datetime of an instant (microseconds; the rest is cut)."""
    seconds, rest_ns = divmod(instant_ns, NS_PER_S)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest_ns // 1000)


def instant_ns(moment: datetime) -> int:
    """Return int64 nanoseconds UTC of an aware datetime.

    Raises
    ------
    ValueError
        The datetime is naive.
    """
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError(f"naive datetime {moment.isoformat()}: give it a time zone, e.g. +00:00")
    delta = moment.astimezone(UTC) - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * NS_PER_S + delta.microseconds * 1000


def iso_utc(instant: int) -> str:
    """Return an instant (ns) as ISO 8601 with Z, nanoseconds only where there are any."""
    seconds, rest_ns = divmod(instant, NS_PER_S)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest_ns:09d}".rstrip("0") if rest_ns else ""
    return f"{text}{fraction}Z"


def interval_text(interval_ns: int) -> str:
    """Return the length of a bar in words: minutes, seconds where it is no whole number of them."""
    if interval_ns % NS_PER_MINUTE == 0:
        minutes = interval_ns // NS_PER_MINUTE
        return f"{minutes} minute{'s' if minutes != 1 else ''}"
    return f"{interval_ns / NS_PER_S:g} seconds"


@lru_cache(maxsize=16_384)
def plain(value: Decimal) -> str:
    """Return a Decimal as normalised plain text: no exponent, no trailing zeros, no negative zero."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def money(value: float, quantum: Decimal) -> Decimal:
    """Convert a float of the pipeline into a Decimal of the ledger, half up on `quantum`.

    Raises
    ------
    ValueError
        The value is NaN or infinite.
    """
    as_decimal = Decimal(repr(float(value)))
    if not as_decimal.is_finite():
        raise ValueError(f"{value} is not a finite amount")
    return round_to(as_decimal, quantum)


def round_to(value: Decimal, quantum: Decimal) -> Decimal:
    """Round half away from zero to a multiple of `quantum`."""
    return (value / quantum).quantize(Decimal(1), rounding="ROUND_HALF_UP") * quantum
