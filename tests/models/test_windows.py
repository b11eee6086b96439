"""The windows of feature rows against lists kept by hand."""

# covers: P9, P31

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.models.inference import InferenceEngine
from LIVE_TRADING.models.windows import FeatureWindows, add_rows
from tests.support.kernels import assert_same_interpreted, awkward

N, F = 5, 3


def feature_rows(n_times: int, seed: int = 0) -> np.ndarray:
    """Features (T, F, N): some missing values, some missing bars, symbol 4 comes late, bar end 6 is empty."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((n_times, F, N))
    features[rng.random(features.shape) < 0.1] = np.nan
    gone = rng.random((n_times, 1, N)) < 0.15
    features = np.where(gone, np.nan, features)
    features[:7, :, 4] = np.nan
    features[6:7] = np.nan
    return features


def by_hand(features: np.ndarray, lookback: int) -> np.ndarray:
    """The last `lookback` bars that each symbol has had, NaN in front where there were fewer."""
    windows = np.full((features.shape[2], lookback, features.shape[1]), np.nan, dtype=np.float32)
    for n in range(features.shape[2]):
        had = [row for row in features[:, :, n] if not np.isnan(row).all()][-lookback:]
        if had:
            windows[n, -len(had) :] = np.array(had)
    return windows


def advanced(ring: FeatureWindows, features: np.ndarray) -> FeatureWindows:
    for row in features:
        ring = ring.advance(row)
    return ring


@pytest.mark.parametrize("lookback", [1, 2, 8])
def test_a_window_holds_the_last_bars_of_each_symbol(lookback: int):
    features = feature_rows(40)
    ring = FeatureWindows.empty(N, lookback, F)
    assert ring.lookback == lookback
    assert np.isnan(ring.windows()).all()
    for row in range(40):
        ring = ring.advance(features[row])
        np.testing.assert_array_equal(ring.windows(), by_hand(features[: row + 1], lookback))


def test_the_record_before_is_still_valid_and_a_dropped_step_leaves_no_trace():
    features = feature_rows(30)
    ring = advanced(FeatureWindows.empty(N, 4, F), features[:20])
    before = ring.windows()
    ring.advance(features[25])  # its result is dropped
    np.testing.assert_array_equal(ring.windows(), before)
    np.testing.assert_array_equal(ring.advance(features[20]).windows(), by_hand(features[:21], 4))


def test_a_copy_goes_its_own_way_and_windows_are_copies():
    features = feature_rows(30)
    ring = advanced(FeatureWindows.empty(N, 4, F), features[:20])
    handed = ring.windows()
    ahead = advanced(ring.copy(), features[20:])
    np.testing.assert_array_equal(ring.windows(), by_hand(features[:20], 4))
    np.testing.assert_array_equal(ahead.windows(), by_hand(features, 4))
    advanced(ring, features[20:])
    np.testing.assert_array_equal(handed, by_hand(features[:20], 4))


def test_a_ring_goes_on_from_its_arrays_and_from_its_windows():
    features = feature_rows(30)
    ring = advanced(FeatureWindows.empty(N, 4, F), features[:19])
    stored = FeatureWindows.from_arrays(ring.copy().to_arrays())
    for again in (stored, FeatureWindows.ending_with(ring.windows())):
        np.testing.assert_array_equal(advanced(again, features[19:]).windows(), by_hand(features, 4))


def test_what_is_beyond_float32_is_infinite():
    huge = np.full((F, N), 1e300)
    assert np.isinf(FeatureWindows.empty(N, 1, F).advance(huge).windows()).all()


class Mean:
    """The mean of what is there in the window: a forecast that every row of it moves."""

    def __init__(self, lookback: int) -> None:
        self.lookback = lookback
        self.n_features = F
        self.notes: dict[str, str] = {}

    def predict_windows(self, windows: np.ndarray) -> np.ndarray:
        assert windows.shape[1:] == (self.lookback, F)
        return np.nanmean(windows.astype(np.float64), axis=(1, 2))

    def files(self) -> dict[str, bytes]:
        return {}


class First:
    """The first feature."""

    def __init__(self) -> None:
        self.n_features = F
        self.notes: dict[str, str] = {}

    def predict(self, features: np.ndarray) -> np.ndarray:
        return features[:, 0].copy()

    def files(self) -> dict[str, bytes]:
        return {}


@pytest.fixture
def engine() -> InferenceEngine:
    return InferenceEngine([[First(), Mean(3)], [Mean(8), First()]])


def test_models_over_sequences_stand_in_their_place(engine: InferenceEngine):
    features = feature_rows(20)
    windows = by_hand(features, 8)
    raw = engine.predict(features[-1], windows)
    present = ~np.isnan(features[-1]).all(axis=0)
    assert 0 < present.sum() < N
    np.testing.assert_array_equal(raw[0, 0], features[-1, 0])
    np.testing.assert_array_equal(raw[1, 1], features[-1, 0])
    np.testing.assert_array_equal(raw[0, 1, present], Mean(3).predict_windows(windows[present, -3:]))
    np.testing.assert_array_equal(raw[1, 0, present], Mean(8).predict_windows(windows[present]))
    assert np.isnan(raw[:, :, ~present]).all()


def test_a_block_gives_the_bits_of_its_bars(engine: InferenceEngine):
    features = feature_rows(40)
    block = engine.predict_block(features[12:], by_hand(features[:13], 8))
    assert block.shape == (28, 2, 2, N)
    for row in range(12, 40):
        alone = engine.predict(features[row], by_hand(features[: row + 1], 8))
        assert block[row - 12].tobytes() == alone.tobytes()


@pytest.mark.parametrize("windows", [None, np.zeros((N, 7, F), dtype=np.float32)])
def test_too_short_windows_are_refused(engine: InferenceEngine, windows: np.ndarray | None):
    found = "none" if windows is None else "7"
    with pytest.raises(ValueError, match=f"windows expected of 8 rows, which a model takes, found {found}"):
        engine.predict(np.zeros((F, N)), windows)
    with pytest.raises(ValueError, match=f"found {found}"):
        engine.predict_block(np.zeros((2, F, N)), windows)


def test_the_kernel_says_the_same_interpreted():
    rng, n = np.random.default_rng(7), 30
    features = awkward(rng, (F, n)) * 10.0 ** rng.integers(-300, 300, n)
    features[:, ::4] = np.nan
    rows, before = rng.standard_normal((n, 5, F)).astype(np.float32), rng.integers(0, 5, n)
    assert_same_interpreted(add_rows, features, before, rows, np.empty_like(before))


def test_features_of_another_number_are_refused():
    ring = FeatureWindows.empty(N, 4, F)
    with pytest.raises(ValueError, match="of 3 features of 5 symbols"):
        ring.advance(np.zeros((F + 1, N)))
