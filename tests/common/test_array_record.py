"""Records of arrays as flat mappings."""

# covers: B8

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from LIVE_TRADING.common.array_record import ArrayRecord, under_prefix, with_prefix
from LIVE_TRADING.common.exceptions import StateError


@dataclass(frozen=True, slots=True, eq=False)
class Sample(ArrayRecord):
    values: np.ndarray
    count: int


def test_a_record_comes_back_from_its_arrays():
    arrays = with_prefix("a", Sample(np.arange(3.0), 7).to_arrays())
    assert sorted(arrays) == ["a.count", "a.values"]
    back = Sample.from_arrays(under_prefix("a", {**arrays, "ab.values": np.zeros(1)}))
    np.testing.assert_array_equal(back.values, [0.0, 1.0, 2.0])
    assert back.count == 7
    assert isinstance(back.count, int)


def test_every_missing_array_is_named():
    with pytest.raises(StateError, match="values, count"):
        Sample.from_arrays({})
