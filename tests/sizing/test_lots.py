"""Whole lots, towards zero."""

# covers: P14

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.sizing.lots import order_too_small, whole_lots


@pytest.mark.parametrize(
    ("shares", "lot", "expected"),
    [
        pytest.param(49.99, 1.0, 49.0, id="down"),
        pytest.param(-49.99, 1.0, -49.0, id="short-towards-zero-too"),
        pytest.param(149.0, 100.0, 100.0, id="round-lots"),
        pytest.param(0.3, 0.1, 0.3, id="representation-is-no-loss"),
        pytest.param(50.0 - 1e-13, 1.0, 50.0, id="rounding-error-is-no-loss"),
        pytest.param(50.0 - 0.7e-9, 1.0, 50.0, id="within-the-slack"),
        pytest.param(50.0 - 1.5e-9, 1.0, 49.0, id="beyond-the-slack"),
        pytest.param(0.1234567, 1e-6, 0.123456, id="fractions-of-a-coin"),
        pytest.param(0.9, 1.0, 0.0, id="less-than-one"),
        pytest.param(np.nan, 1.0, np.nan, id="unknown"),
    ],
)
def test_rounding(shares, lot, expected):
    assert whole_lots(np.array([shares]), np.array([lot])) == pytest.approx([expected], rel=1e-12, nan_ok=True)


@pytest.mark.parametrize(
    ("target", "held", "grows", "min_notional", "expected"),
    [
        pytest.param(10.0, 0.0, True, 0.0, False, id="an-order"),
        pytest.param(10.0, 10.0, True, 0.0, True, id="no-order"),
        pytest.param(10.0, 9.0, True, 100.0, False, id="minimum-is-inclusive"),
        pytest.param(10.0, 9.0, True, 100.1, True, id="below-the-minimum"),
        pytest.param(-10.0, -12.0, False, 200.0, False, id="a-cut"),
        pytest.param(10.0, 10.5, True, 0.0, True, id="an-increase-must-not-sell"),
        pytest.param(np.nan, 10.0, True, 0.0, True, id="unknown"),
    ],
)
def test_orders_that_are_none(target, held, grows, min_notional, expected):
    got = order_too_small(
        np.array([target]), np.array([held]), np.array([grows]), np.array([100.0]), np.array([min_notional])
    )
    assert got.tolist() == [expected]
