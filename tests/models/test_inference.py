"""A forecast is the same alone, over the cycle's symbols, and in a block of bar ends."""

# covers: P9

from __future__ import annotations

import numpy as np

from LIVE_TRADING.models.inference import InferenceEngine


def features_block(n_times: int, n_symbols: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    block = rng.standard_normal((n_times, 4, n_symbols))
    block[rng.random(block.shape) < 0.1] = np.nan
    block[1:2, :, 2] = np.nan  # a missing bar
    block[3:4] = np.nan  # nothing traded
    return block


def engine_of(small_run) -> InferenceEngine:
    return InferenceEngine(
        [[small_run.models[(target, family)] for family in ("lightgbm", "ridge")] for target in ("ret_5m", "ret_1d")]
    )


def test_each_model_stands_in_its_place(small_run):
    features = features_block(1, 5)[0]
    raw = engine_of(small_run).predict(features)
    assert raw.shape == (2, 2, 5)
    rows = np.ascontiguousarray(features.T)
    for h, target in enumerate(("ret_5m", "ret_1d")):
        for m, family in enumerate(("lightgbm", "ridge")):
            assert raw[h, m].tobytes() == small_run.models[(target, family)].predict(rows).tobytes()


def test_a_block_gives_the_bits_of_its_bars(small_run):
    engine, block = engine_of(small_run), features_block(6, 30)
    together = engine.predict_block(block)
    assert together.shape == (6, 2, 2, 30)
    for t in range(6):
        assert together[t].tobytes() == engine.predict(block[t]).tobytes()


def test_a_symbol_alone_gives_the_bits_of_the_universe(small_run):
    engine, features = engine_of(small_run), features_block(1, 30)[0]
    together = engine.predict(features)
    for n in range(30):
        assert engine.predict(features[:, n : n + 1])[:, :, 0].tobytes() == together[:, :, n].tobytes()


def test_a_missing_bar_has_no_forecast(small_run):
    raw = engine_of(small_run).predict_block(features_block(6, 30))
    assert np.isnan(raw[1, :, :, 2]).all()
    assert np.isnan(raw[3]).all()
    assert np.isnan(raw).sum() == 4 + 4 * 30
