"""The selector without learning: the best score."""

# covers: P12

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.arbitration import BestScoreSelector


@pytest.mark.parametrize(
    ("score", "qualifies", "expected"),
    [
        pytest.param([1.0, 3.0, 2.0], [1, 1, 1], 1, id="best"),
        pytest.param([1.0, 3.0, 2.0], [1, 0, 1], 2, id="best-of-those-that-qualify"),
        pytest.param([2.0, 3.0, 3.0], [1, 1, 1], 1, id="shortest-among-equals"),
        pytest.param([np.nan, -1.0, np.nan], [0, 1, 0], 1, id="scores-that-are-none-are-ignored"),
    ],
)
def test_choice(score, qualifies, expected):
    row, probability = BestScoreSelector().select(
        np.array([score]).T, np.array([qualifies], dtype=bool).T, scheduled_time_ns=0, symbols=("A",)
    )
    assert row.tolist() == [expected]
    assert probability.tolist() == [1.0]
    assert row.dtype == np.int16
