"""What may be written as JSON, and what may not."""

# covers: P4, P5, B8

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from LIVE_TRADING.common.strict_json import json_bytes
from LIVE_TRADING.common.types import Side


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: Any = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param({"b": 1, "a": [True, None, "é"]}, {"b": 1, "a": [True, None, "é"]}, id="plain"),
        pytest.param(math.nan, None, id="nan-is-null"),
        pytest.param(np.array([[1.0, np.nan]]), [[1.0, None]], id="array"),
        pytest.param(np.arange(6.0).reshape(2, 3).T, [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]], id="strided-array"),
        pytest.param((np.float64(0.5), np.int64(3)), [0.5, 3], id="numpy-scalars"),
        pytest.param(Decimal("1E+2"), "100", id="decimal-is-plain-text"),
        pytest.param(Side.BUY, "buy", id="enum"),
        pytest.param(Point(1.5, Point(2.0)), {"x": 1.5, "y": {"x": 2.0, "y": None}}, id="dataclass"),
        pytest.param(datetime(2025, 1, 2, 3, tzinfo=UTC), "2025-01-02T03:00:00Z", id="utc"),
        pytest.param(
            datetime(2025, 1, 2, 3, tzinfo=timezone(timedelta(hours=-5))), "2025-01-02T08:00:00Z", id="other-zone"
        ),
        pytest.param(date(2025, 1, 2), "2025-01-02", id="date"),
        pytest.param(Path("a") / "b", "a/b", id="path"),
    ],
)
def test_written_and_read_back(value: object, expected: object) -> None:
    assert orjson.loads(json_bytes(value)) == expected


@pytest.mark.parametrize(
    ("value", "named"),
    [
        pytest.param({"cash": {"usd": [0.0, math.inf]}}, "cash.usd.1 is infinite", id="inf"),
        pytest.param(Point(-math.inf), "x is infinite", id="minus-inf-in-dataclass"),
        pytest.param({"a": np.array([1.0, np.inf])}, "a is infinite", id="inf-in-array"),
        pytest.param(np.float32(np.inf), "the value is infinite", id="inf-scalar"),
        pytest.param(Decimal("NaN"), "NaN is no amount", id="decimal-nan"),
        pytest.param(Decimal("Infinity"), "Infinity is no amount", id="decimal-inf"),
        pytest.param(datetime(2025, 1, 2), "naive datetime", id="naive"),
        pytest.param({1, 2}, "a set cannot", id="set"),
        pytest.param({1: "x"}, "must be str", id="key-that-is-no-text"),
        pytest.param(2**70, "64-bit", id="integer-too-large"),
    ],
)
def test_refused_by_name(value: object, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        json_bytes(value)


def test_sorted_and_indented() -> None:
    assert json_bytes({"b": 1, "a": 2}, sort_keys=True) == b'{"a":2,"b":1}'
    assert json_bytes({"b": 1}, indent=True) == b'{\n  "b": 1\n}'


@given(st.floats(allow_infinity=False, allow_nan=False))
def test_floats_come_back_to_the_last_bit(value: float) -> None:
    assert orjson.loads(json_bytes([value]))[0].hex() == value.hex()
