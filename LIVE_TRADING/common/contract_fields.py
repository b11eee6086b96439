"""Values of the order and fill contracts: each kind reads what it knows and refuses the rest, saying what to give.

A function raises ValueError with the remedy; the contract adds which field it was and what stood there.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from LIVE_TRADING.common.units import instant_ns

MAX_AMOUNT = Decimal(10) ** 15
MAX_PLACES = 18
MAX_DIGITS = 28  # what Decimal arithmetic keeps exactly
MAX_TIME_NS = 2**63 - 1

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?")
_TIME = re.compile(
    r"([0-9]{4}(?:-[0-9]{2}){2}[T ][0-9]{2}(?::[0-9]{2}){2})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
_CURRENCY = re.compile(r"[A-Z0-9]{2,10}")
_OUT_OF_RANGE = "give a time between 1970 and 2262"

Choice = TypeVar("Choice", bound=StrEnum)


def identifier(value: Any) -> str:
    """Return 1 to 64 printable characters without spaces."""
    if not isinstance(value, str):
        raise ValueError("give it as text")
    if not 1 <= len(value) <= 64 or not value.isprintable() or " " in value:
        raise ValueError("give 1 to 64 printable characters without spaces")
    return str(value)


def currency(value: Any) -> str:
    """Return a currency code."""
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise ValueError("give a currency code in capitals, such as USD")
    return str(value)


def count(value: Any) -> int:
    """Return a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TIME_NS:
        raise ValueError("give a whole number, 0 or more")
    return int(value)


def choice(kind: type[Choice]) -> Callable[[Any], Choice]:
    """Return a reader of one of the texts of an enumeration."""

    def read(value: Any) -> Choice:
        for member in kind:
            if isinstance(value, str) and value == member.value:
                return member
        raise ValueError(f"give one of {', '.join(member.value for member in kind)}")

    return read


def amount(value: Any) -> Decimal:
    """Return a finite Decimal: at most 1e15, 18 decimal places and 28 digits."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float, Decimal)):
        raise ValueError('give a number as text ("101.25"), integer, Decimal or float')
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        raise ValueError('give a finite number, as text like "101.25"')
    exact = Decimal(repr(float(value))) if isinstance(value, float) else Decimal(value)
    if not exact.is_finite():
        raise ValueError("give a finite number")
    if exact.copy_abs() > MAX_AMOUNT:
        raise ValueError(f"give a number of at most {MAX_AMOUNT:.0e}")
    places, digits = _places_and_digits(exact)
    if places > MAX_PLACES or digits > MAX_DIGITS:
        raise ValueError(f"give at most {MAX_PLACES} decimal places and {MAX_DIGITS} digits")
    return exact


def positive(value: Any) -> Decimal:
    """Return an amount above 0."""
    exact = amount(value)
    if exact <= 0:
        raise ValueError("give a number above 0")
    return exact


def not_negative(value: Any) -> Decimal:
    """Return an amount of 0 or more."""
    exact = amount(value)
    if exact < 0:
        raise ValueError("give a number of 0 or more")
    return exact


def instant(value: Any) -> int:
    """Return int64 nanoseconds UTC of an aware datetime, or of ISO 8601 text with a zone and up to 9 places."""
    if isinstance(value, datetime):
        time_ns = _datetime_ns(value)
    elif isinstance(value, str):
        time_ns = _text_ns(value)
    else:
        raise ValueError("give an aware datetime, or text like 2025-10-16T14:30:00Z")
    if not 0 <= time_ns <= MAX_TIME_NS:
        raise ValueError(_OUT_OF_RANGE)
    return time_ns


def shown(value: Any) -> str:
    """Return a refused value for a message: short, and without calling code of unknown types."""
    if value is None or type(value) is bool or type(value) is float:
        return str(value)
    if type(value) is int:
        return str(value) if value.bit_length() <= 128 else f"an integer of {value.bit_length()} bits"
    if type(value) is Decimal or type(value) is datetime:
        text = str(value)
        return text if len(text) <= 64 else f"{text[:64]}…"
    if type(value) is str:
        return repr(value) if len(value) <= 64 else f"{value[:64]!r}…"
    return f"a {type(value).__name__}"


def _places_and_digits(exact: Decimal) -> tuple[int, int]:
    """Return how many decimal places and how many digits a finite Decimal has without its trailing zeros."""
    _, digits, exponent = exact.as_tuple()
    text = "".join(map(str, digits))
    significant = text.rstrip("0")
    if not significant or not isinstance(exponent, int):
        return 0, 0
    return max(0, -(exponent + len(text) - len(significant))), len(significant)


def _text_ns(text: str) -> int:
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError("give a time as text like 2025-10-16T14:30:00Z")
    moment, fraction, zone = found.groups()
    if zone is None:
        raise ValueError(f"a time needs its zone: {moment}Z, for example")
    try:
        whole = datetime.fromisoformat(f"{moment}{'+00:00' if zone == 'Z' else zone}")
    except ValueError as error:
        raise ValueError("there is no such time; give one like 2025-10-16T14:30:00Z") from error
    return _datetime_ns(whole) + int((fraction or "0").ljust(9, "0"))


def _datetime_ns(moment: datetime) -> int:
    if moment.tzinfo is None or moment.utcoffset() is None:
        raise ValueError("a time needs its zone: tzinfo=UTC, for example")
    try:
        return instant_ns(moment)
    except OverflowError as error:  # year 1 or 9999, with a zone that leads out of the calendar
        raise ValueError(_OUT_OF_RANGE) from error
