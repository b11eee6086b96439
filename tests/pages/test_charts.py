"""Geometry of the charts."""

# covers: R8

from __future__ import annotations

import re

import numpy as np
import pytest

from LIVE_TRADING.pages import charts


def test_thinning_keeps_the_extremes():
    values = np.random.default_rng(4).normal(size=50_000).cumsum()
    rows = charts.thinned(values)
    assert len(rows) <= charts.MAX_POINTS + 2
    assert (rows[0], rows[-1]) == (0, len(values) - 1)
    assert {int(values.argmin()), int(values.argmax())} <= set(rows.tolist())
    assert charts.thinned(values[:10]).tolist() == list(range(10))


@pytest.mark.parametrize(
    ("values", "ends", "step"),
    [
        pytest.param([0.0, 97.0], (0.0, 100.0), 50.0, id="round-steps"),
        pytest.param([-3.2, 4.1], (-4.0, 6.0), 2.0, id="both-sides"),
        pytest.param([5.0, 5.0], None, None, id="flat"),
        pytest.param([0.0], None, None, id="zero"),
        pytest.param([1e-7, 3e-7], None, None, id="tiny"),
    ],
)
def test_an_axis_holds_its_values(values, ends, step):
    low, high, ticks = charts.scale(values)
    assert low <= min(values) <= max(values) <= high
    assert 3 <= len(ticks) <= 8
    if ends:
        assert (low, high) == pytest.approx(ends)
        assert ticks[1] - ticks[0] == pytest.approx(step)


def test_a_gap_breaks_the_line():
    line = charts.path(np.array([0.0, 1.0, 2.0, 3.0]), np.array([np.nan, 5.0, np.nan, 7.0]))
    assert line == "M1.0 5.00 M3.0 7.00"
    assert charts.path(np.array([0.0, 1.0]), np.array([1.0, 2.0])) == "M0.0 1.00 L1.0 2.00"


def test_thinning_keeps_gaps_and_the_extremes_beside_them():
    values = np.full(5_000, np.nan)
    values[1_000:1_010] = np.arange(10.0)
    rows = charts.thinned(values)
    assert {1_000, 1_009} <= set(rows.tolist())
    assert np.isnan(values[rows]).sum() > 300


def test_a_panel_holds_all_its_lines_and_knows_where_zero_is():
    first, second = np.array([1.0, 3.0, 2.0]), np.array([-1.0, np.nan, 4.0])
    panel = charts.panel(np.arange(3), 3, [first, second], lambda value, step: f"{value:g}")
    assert (panel.axis.low, panel.axis.high) == (-2.0, 4.0)
    assert panel.zero == pytest.approx(1 / 3)
    ends = [float(y) for y in re.findall(r"[ML][0-9.]+ ([0-9.]+)", panel.lines[1])]
    assert ends == [pytest.approx(100 * 5 / 6, abs=0.01), 0.0]
    assert charts.panel(np.arange(3), 3, [first + 9.0], lambda value, step: "").zero is None


def test_bars_of_a_table_share_one_scale():
    rows, zero = charts.spans([30.0, -10.0, 0.0])
    assert zero == pytest.approx(25.0)
    assert [(row.left, row.width) for row in rows] == [
        pytest.approx((25.0, 75.0)),
        pytest.approx((0.0, 25.0)),
        pytest.approx((25.0, 0.0)),
    ]
    assert charts.spans([]) == ([], pytest.approx(0.0))
