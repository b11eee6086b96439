"""Windows to train on elsewhere: those that a run hands to its models, with the labels that training here uses."""

# covers: P9, P10, P30

from __future__ import annotations

import numpy as np
import pytest
from training_panels import random_panel

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.training.sequences import TrainingWindows, feature_names, training_windows
from LIVE_TRADING.training.train import market_for

LOOKBACK = 6


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return random_panel(session_table("XNYS", "2025-06-02", "2025-06-30"), n_symbols=5, missing=0.02)


@pytest.fixture(scope="module")
def given(panel: BarPanel) -> list[TrainingWindows]:
    return list(training_windows(panel, "60m", LOOKBACK, "2025-06-27"))


def test_the_windows_are_those_of_the_market_memory(panel: BarPanel, given: list[TrainingWindows]) -> None:
    market = market_for(panel, parse_horizons(("60m",), panel.interval_ns, 390), (), EngineConfig())
    memory, by_end = market.initial(LOOKBACK), {one.bar_end_ns: one for one in given}
    seen = 0
    for row in range(len(panel)):
        memory, _ = market.advance(memory, panel.batch(row), panel.session(row))
        one = by_end.get(int(panel.bar_end_ns[row]))
        if one is not None and memory.windows is not None:
            np.testing.assert_array_equal(one.windows, memory.windows.windows()[one.column])
            assert one.session == panel.session(row).date
            seen += 1
    assert seen == len(given) > 50
    assert given[0].windows.shape[1:] == (LOOKBACK, len(feature_names(panel)))


def test_labels_are_returns_to_come_in_units_of_their_volatility(panel: BarPanel, given: list[TrainingWindows]) -> None:
    """60 minutes are two bars: from the open of the next to the close of the one after."""
    returns, targets = [], []
    for one in given:
        row = int(np.searchsorted(panel.bar_end_ns, one.bar_end_ns))
        returns += (panel.close[row + 2, one.column] / panel.open[row + 1, one.column] - 1.0).tolist()
        targets += one.target.tolist()
        assert panel.session_index[row + 2] == panel.session_index[row]
        assert np.isfinite(one.windows[:, -1]).any(axis=1).all()
    assert np.corrcoef(returns, targets)[0, 1] > 0.9
    assert np.abs(targets).max() <= 4.0


def test_no_label_ends_after_until(panel: BarPanel, given: list[TrainingWindows]) -> None:
    assert given[-1].session == "2025-06-27"
    daily = list(training_windows(panel, "1d", LOOKBACK, "2025-06-27"))
    assert daily[-1].session == "2025-06-26"
    with pytest.raises(ConfigurationError, match="before the first session"):
        next(training_windows(panel, "60m", LOOKBACK, "2025-01-01"))
