"""How pages are filled in."""

# covers: R8

from __future__ import annotations

import pytest

from LIVE_TRADING.pages.environment import breakable


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("baseline", "baseline", id="nowhere"),
        pytest.param("low_cost/run-2.b", "low_<wbr>cost/<wbr>run-<wbr>2.<wbr>b", id="behind-separators"),
        pytest.param("a_", "a_", id="not-at-the-end"),
        pytest.param("<b>_x&y", "&lt;b&gt;_<wbr>x&amp;y", id="escaped"),
    ],
)
def test_names_break_behind_separators_alone(name, expected):
    assert breakable(name) == expected
