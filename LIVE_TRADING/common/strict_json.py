"""JSON that loses nothing silently: infinity and naive times are refused, NaN is null, Decimals are plain text."""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import PurePath
from typing import Any

import numpy as np
import orjson

from LIVE_TRADING.common.units import plain

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATETIME
_PLAIN_TYPES = frozenset({str, int, bool, type(None)})


def json_bytes(obj: object, *, indent: bool = False, sort_keys: bool = False) -> bytes:
    """Return an object as UTF-8 JSON.

    Knows dicts with text keys, lists, tuples, dataclasses, enums, numpy arrays and scalars, Decimal (plain text), aware
    datetimes (ISO 8601 with Z), dates and paths. NaN becomes null, which is how state on file says "no value".

    Raises
    ------
    ValueError
        The object holds infinity, a Decimal that is no number, a naive datetime, or something JSON cannot say. Names
        where in the object.
    """
    _refuse_infinity(obj, "")
    options = _OPTIONS | (orjson.OPT_INDENT_2 if indent else 0) | (orjson.OPT_SORT_KEYS if sort_keys else 0)
    try:
        return orjson.dumps(obj, default=_default, option=options)
    except TypeError as error:
        # orjson hides what `_default` raised behind a message of its own
        raise ValueError(str(error.__cause__ or error)) from error


def _default(value: Any) -> Any:
    """Return what orjson knows in place of what it does not."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            raise ValueError(f"{value} is no amount")
        return plain(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value.isoformat()}: give it a time zone, e.g. +00:00")
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | PurePath):
        return value.isoformat() if isinstance(value, date) else value.as_posix()
    if isinstance(value, np.ndarray):  # not contiguous, or of a kind orjson leaves alone
        return value.tolist()
    raise ValueError(f"a {type(value).__name__} cannot be written as JSON")


def _refuse_infinity(value: Any, where: str) -> None:
    """Raise on the first infinity: orjson would write it as null, and it would come back as "no value"."""
    kind = type(value)
    if kind in _PLAIN_TYPES:
        return
    if isinstance(value, float | np.floating):
        found = math.isinf(value)
    elif isinstance(value, np.ndarray):
        found = value.dtype.kind == "f" and bool(np.isinf(value).any())
    else:
        for key, member in _members(value):
            _refuse_infinity(member, f"{where}.{key}" if where else str(key))
        return
    if found:
        raise ValueError(f"{where or 'the value'} is infinite")


def _members(value: Any) -> Any:
    """Return (name, value) pairs of a container; nothing for anything else."""
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list | tuple):
        return enumerate(value)
    if is_dataclass(value) and not isinstance(value, type):
        return ((field.name, getattr(value, field.name)) for field in fields(value))
    return ()
