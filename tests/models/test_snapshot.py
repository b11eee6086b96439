"""Arrays on file: exact, deterministic, without pickle."""

# covers: P18, P30

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from LIVE_TRADING.models.snapshot import decode_arrays, encode_arrays


@given(
    hnp.arrays(
        st.sampled_from([np.float64, np.int64, np.bool_, np.int16]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0),
    )
)
def test_round_trip_keeps_every_bit(array: np.ndarray):
    back = decode_arrays(encode_arrays({"part": {"a.b": array}}))["part"]["a.b"]
    assert back.dtype == array.dtype
    assert back.shape == array.shape
    assert back.tobytes() == array.tobytes()


def test_bytes_depend_on_the_arrays_alone():
    parts = {"b": {"y": np.ones(3), "x": np.zeros((2, 2))}, "a": {"k": np.array(7)}}
    turned = {"a": {"k": np.array(7)}, "b": {"x": np.zeros((2, 2)).T, "y": np.ones(3)}}
    assert encode_arrays(parts) == encode_arrays(turned)


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"p": {"a": np.array([object()])}}, id="objects"),
        pytest.param({"p": {"a": np.array(["text"])}}, id="text"),
        pytest.param({"p/q": {"a": np.ones(1)}}, id="slash-in-a-part"),
    ],
)
def test_other_kinds_are_refused(parts):
    with pytest.raises(ValueError, match="not stored"):
        encode_arrays(parts)


def test_other_bytes_are_refused():
    with pytest.raises(ValueError, match="no archive"):
        decode_arrays(b"PK but not a zip")
