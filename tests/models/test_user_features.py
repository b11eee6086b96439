"""Features of the user's own: what they are given, what becomes of what they return, and what is refused."""

# covers: P30, R3

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from bar_worlds import assert_same_records
from feature_series import Series, make_series, step
from pydantic import ValidationError

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.models.artifacts import memory_config
from LIVE_TRADING.models.features import FeatureBuilder, FeatureConfig, FeatureState, compute_all

BARS = 26
SERIES = make_series(4, n_sessions=3, bars_per_session=BARS, missing=0.1, seed=5)
SYMBOLS = ("A", "B", "C", "D")
NUMBERS = itertools.count()
MEAN_CLOSE = "def mean_close(bars):\n    return bars.close - np.nanmean(bars.close, axis=0)\n"

Write = Callable[[str], str]


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return what writes a module of user features and returns its name."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> str:
        name = f"user_features_of_a_test_{next(NUMBERS)}"
        (tmp_path / f"{name}.py").write_text(f"import numpy as np\n{text}")
        return name

    return write


def builder_of(paths: tuple[str, ...], lookback: int = 10, symbols: tuple[str, ...] = SYMBOLS) -> FeatureBuilder:
    return FeatureBuilder(FeatureConfig(extra=paths, extra_lookback=lookback), len(symbols), BARS, symbols)


def rows_of(builder: FeatureBuilder, series: Series = SERIES) -> np.ndarray:
    """Return the user features (T, X, N)."""
    return compute_all(builder, series)[:, -len(builder.sources) :]


def test_a_feature_is_the_last_row_of_a_function_of_the_last_bars(module: Write) -> None:
    got = rows_of(builder_of((f"{module(MEAN_CLOSE)}:mean_close",)))[:, 0]
    close = SERIES.close
    for t in range(len(SERIES)):
        window = close[max(0, t - 9) : t + 1]
        known = np.isfinite(close[t])
        np.testing.assert_allclose(got[t, known], close[t, known] - np.nanmean(window[:, known], axis=0), atol=1e-12)
        assert np.isnan(got[t, ~known]).all()


def test_it_is_named_after_its_function_and_leaves_the_others_as_they_are(module: Write) -> None:
    name = module(MEAN_CLOSE + "def other(bars):\n    return bars.volume\n")
    plain = FeatureBuilder(FeatureConfig(), 4, BARS)
    builder = builder_of((f"{name}:other", f"{name}:mean_close"))
    assert builder.names == (*plain.names, "extra_other", "extra_mean_close")
    np.testing.assert_array_equal(compute_all(builder, SERIES)[:, :-2], compute_all(plain, SERIES))


def test_what_a_function_is_given(module: Write) -> None:
    name = module("SEEN = []\ndef keep(bars):\n    SEEN.append(bars)\n    return bars.open\n")
    builder = builder_of((f"{name}:keep",), lookback=7)
    compute_all(builder, SERIES)
    assert builder.user_features is not None
    seen = builder.user_features.features[0].function.__globals__["SEEN"][1:]  # the first is the trial
    assert [len(bars) for bars in seen] == [min(t + 1, 7) for t in range(len(SERIES))]
    for t, bars in enumerate(seen):
        rows = slice(max(0, t - 6), t + 1)
        for field in ("open", "high", "low", "close", "volume"):
            np.testing.assert_array_equal(getattr(bars, field), getattr(SERIES, field)[rows])
            assert not getattr(bars, field).flags.writeable
        assert bars.symbols == SYMBOLS
        assert bars.bar_end_ns.tolist() == [SERIES.batch(row).bar_end_ns for row in range(len(SERIES))][rows]
        np.testing.assert_array_equal(bars.slot, SERIES.slot[rows])


def test_the_memory_goes_through_files_and_copies(module: Write) -> None:
    builder = builder_of((f"{module(MEAN_CLOSE)}:mean_close",))
    state, half = builder.initial(), len(SERIES) // 2
    for row in range(half):
        state, _ = step(builder, state, SERIES, row)
    stored = FeatureState.from_arrays(state.to_arrays())
    assert_same_records(stored, state)
    copy = state.copy()
    for row in range(half, len(SERIES)):
        state, expected = step(builder, state, SERIES, row)
        stored, got = step(builder, stored, SERIES, row)
        copy, also = step(builder, copy, SERIES, row)
        np.testing.assert_array_equal(got, expected)
        np.testing.assert_array_equal(also, expected)


def test_without_user_features_nothing_is_kept() -> None:
    builder = FeatureBuilder(FeatureConfig(), 4, BARS)
    state, _ = step(builder, builder.initial(), SERIES, 0)
    assert state.extra is None
    assert not [name for name in state.to_arrays() if name.startswith("extra")]
    assert not [key for key in memory_config(EngineConfig()) if "extra" in key]
    assert builder.sources == {}


def test_the_version_of_a_function_is_that_of_its_file(module: Write, tmp_path: Path) -> None:
    name = module(MEAN_CLOSE)
    builder = builder_of((f"{name}:mean_close",))
    expected = hashlib.sha256((tmp_path / f"{name}.py").read_bytes()).hexdigest()
    assert builder.sources == {f"{name}:mean_close": expected}
    settings = EngineConfig(features=FeatureConfig(extra=(f"{name}:mean_close",)))
    assert memory_config(settings)["features.extra"] == [f"{name}:mean_close"]
    assert memory_config(settings)["features.extra_lookback"] == 256


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param("return bars.close[-1]", r"gave float64 \(4,\) for bars \(1, 4\)", id="one-row"),
        pytest.param("return bars.close.T", r"gave float64 \(4, 1\)", id="transposed"),
        pytest.param("return bars.close.astype(complex)", "gave complex128", id="complex"),
        pytest.param("return bars.close.astype(object)", "gave object", id="objects"),
        pytest.param("return None", "gave object", id="nothing"),
        pytest.param("return bars.close / 0", r"gave infinity for A, B, C, D; return NaN", id="infinite"),
        pytest.param("return bars.clsoe", "raised AttributeError", id="raises"),
        pytest.param("bars.close[:] = 0\n    return bars.close", "raised ValueError.*read-only", id="writes"),
    ],
)
def test_what_a_function_may_not_do_is_found_before_the_first_bar(module: Write, body: str, said: str) -> None:
    name = module(f"def wrong(bars):\n    {body}\n")
    with pytest.raises(ConfigurationError, match=rf"features\.extra {name}:wrong: {said}.*made-up bar") as refused:
        builder_of((f"{name}:wrong",))
    assert "1970" not in str(refused.value)


def test_what_goes_wrong_later_names_the_function_the_bar_and_the_symbol(module: Write) -> None:
    name = module(
        "def later(bars):\n    column = bars.symbols.index('C')\n"
        "    return bars.close + (np.arange(4) == column) * (1 / (3 - len(bars)))\n"
    )
    builder = builder_of((f"{name}:later",))
    state = builder.initial()
    for row in range(2):
        state, _ = step(builder, state, SERIES, row)
    with pytest.raises(
        ConfigurationError, match=rf"{name}:later: raised ZeroDivisionError.*given 3 bars to 1970-01-01"
    ):
        step(builder, state, SERIES, 2)
    _, values = step(builder, builder.initial(), SERIES, 0)
    assert np.isfinite(values[-1][np.isfinite(SERIES.close[0])]).all()


@pytest.mark.parametrize(
    ("text", "path", "said"),
    [
        pytest.param(
            "", "no_such_package.here:f", "cannot be imported.*No module named 'no_such_package'", id="module"
        ),
        pytest.param("raise OSError('gone')", "{}:f", r"cannot be imported \(OSError: gone\)", id="module-raises"),
        pytest.param(MEAN_CLOSE, "{}:mean_clsoe", "has no function mean_clsoe; it has mean_close", id="function"),
        pytest.param("f = 3\n", "{}:f", "has no function f; it has none", id="no-function"),
        pytest.param("def f(bars, n):\n    return bars.close\n", "{}:f", "write def f\\(bars\\)", id="two-arguments"),
        pytest.param("def f():\n    return 1\n", "{}:f", "write def f\\(bars\\)", id="no-argument"),
    ],
)
def test_what_cannot_be_found_or_called_is_refused(module: Write, text: str, path: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        builder_of((path.format(module(text)),))


@pytest.mark.parametrize("path", ["module.function", "module:", ":f", "mod ule:f", "module:f:g", "../module:f"])
def test_a_path_is_a_module_and_a_function(path: str) -> None:
    with pytest.raises(ValidationError, match="extra"):
        FeatureConfig(extra=(path,))


def test_two_functions_of_one_name_are_refused() -> None:
    with pytest.raises(ValidationError, match="names a function twice"):
        FeatureConfig(extra=("a:f", "b:f"))


def test_numbers_of_other_kinds_become_floats(module: Write) -> None:
    name = module(
        "def up(bars):\n    return bars.close > bars.open\n"
        "def count(bars):\n    return bars.slot[:, None] + np.zeros(4, dtype=int)\n"
    )
    got = rows_of(builder_of((f"{name}:up", f"{name}:count")))
    known = np.isfinite(SERIES.close)
    np.testing.assert_array_equal(got[:, 0][known], (SERIES.close > SERIES.open)[known].astype(float))
    np.testing.assert_array_equal(got[:, 1][known], np.broadcast_to(SERIES.slot[:, None], known.shape)[known])
