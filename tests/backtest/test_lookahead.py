"""The look-ahead check finds leaks that are planted, each at its own place, and finds none where there is none."""

# covers: R3

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lookahead_runs import CONFIG, Blanked, Loaded, checked, simulated, stages_of
from market_files import SYMBOLS, market, write_bars
from training_panels import random_panel

from LIVE_TRADING.backtest.lookahead import choose_instants
from LIVE_TRADING.backtest.user_feature_check import UserFeatureReport, check_user_feature, whole_bars
from LIVE_TRADING.brokers.exchange import SimulatedExchange
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import FloatArray, RawPredictions
from LIVE_TRADING.data import spread
from LIVE_TRADING.data.as_of import RecordedFile
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine import deciding
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.market import MarketModel
from LIVE_TRADING.models.features import FeatureBuilder
from LIVE_TRADING.models.user_features import find
from tests.support.runs import PlainForecast

NUMBERS = itertools.count()


@pytest.fixture
def recording() -> Loaded:
    return simulated()


# --- the run ---------------------------------------------------------------------------------------------------------


def test_nothing_is_found_where_nothing_looks_ahead(recording: Loaded) -> None:
    report = checked(recording)
    assert report.differences == ()
    assert report.agreed_ns == report.instants_ns
    assert len(report.instants_ns) == 12
    assert report.orders > 30
    assert report.fills > 20
    assert min(report.numbers.values()) > 0
    n_bars = sum(int(np.isfinite(report.observed[t].rows["bars"]["close"]).sum()) for t in report.instants_ns)
    assert 12 * 12 >= n_bars > 12 * 10
    assert report.numbers["bars"] == 7 * n_bars
    assert report.forecasts["rule"] == 3 * n_bars  # bars of half an hour: 30m, 60m and 1d


def test_every_bar_end_can_be_an_instant(recording: Loaded) -> None:
    report = checked(recording, count=10_000, first_session=14)
    assert len(report.instants_ns) == 2 * 13
    assert report.differences == ()


def test_a_market_that_never_closes() -> None:
    panel = random_panel(session_table("24/7", "2025-01-01", "2025-01-15"), minutes=60, n_symbols=12, missing=0.02)
    report = checked(Blanked(panel), count=60)
    assert report.differences == ()
    assert report.fills > 20


def test_half_days_and_estimated_spreads() -> None:
    panel = random_panel(session_table("XNYS", "2025-06-16", "2025-07-08"), n_symbols=12, missing=0.02)
    report = checked(Blanked(panel), count=40)
    assert report.differences == ()
    assert report.fills > 20


class ScaledByTheFile(PlainForecast):
    """A model that reads a statistic of the whole file from a module's global."""

    def __init__(self, recording: Loaded, n_horizons: int) -> None:
        super().__init__(["return_1"], n_horizons)
        self._recording = recording

    def predict_block(self, features: FloatArray) -> RawPredictions:
        said = super().predict_block(features)
        return RawPredictions(said.raw / np.nanstd(self._recording.latest.close, axis=0))


class CentredOnTheBlock(PlainForecast):
    """A model that standardises what it says over the bars it is asked for at once."""

    def predict_block(self, features: FloatArray) -> RawPredictions:
        said = super().predict_block(features)
        return RawPredictions(said.raw - np.nan_to_num(np.nanmean(said.raw, axis=0)))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda recording: ScaledByTheFile(recording, 3), id="scaled-by-a-global"),
        pytest.param(lambda recording: CentredOnTheBlock(["return_1"], 3), id="centred-on-its-block"),
    ],
)
def test_a_model_that_peeks(recording: Loaded, model: Callable[[Loaded], PlainForecast]) -> None:
    report = checked(recording, model(recording))
    assert stages_of(report)[0] == "forecasts"
    first = report.differences[0]
    assert first.name == "raw 30m/rule"
    assert first.symbol in recording.latest.symbols
    assert float(first.whole) != float(first.cut)
    assert first.instant_ns == report.instants_ns[len(report.agreed_ns)]


class PeekingClassifier(PlainForecast):
    """Forecasts that are honest, beside a probability of a peak that knows the day's last close."""

    def __init__(self, recording: Loaded) -> None:
        super().__init__(["return_1"], 3)
        self._recording = recording

    def predict_block(self, features: FloatArray) -> RawPredictions:
        said = super().predict_block(features)
        close = self._recording.latest.close
        last = np.nan_to_num(close[-1] / np.nanmean(close, axis=0), nan=1.0)
        p_peak = np.broadcast_to(np.clip(last - 0.6, 0.0, 1.0), (len(features), len(last)))
        return RawPredictions(said.raw, p_peak, np.full_like(p_peak, 0.1))


def test_a_classifier_that_peeks(recording: Loaded) -> None:
    report = checked(recording, PeekingClassifier(recording))
    assert [one.name for one in report.differences if one.stage == "forecasts"] == ["p_peak"]
    assert stages_of(report)[0] == "forecasts"


def test_features_that_read_the_next_bar(recording: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = FeatureBuilder.advance

    def peeking(self, state, bars, slot, n_bars_session, first_of_session):
        state, out = honest(self, state, bars, slot, n_bars_session, first_of_session)
        row = self.names.index("rsi")
        out[row] += np.nan_to_num(recording.ahead("close", bars.bar_end_ns) / bars.close - 1)
        return state, out

    monkeypatch.setattr(FeatureBuilder, "advance", peeking)
    report = checked(recording)
    assert stages_of(report)[0] == "features"
    assert [one.name for one in report.differences if one.stage == "features"] == ["rsi"]


def test_volatility_that_reads_the_next_bar(recording: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = MarketModel.advance

    def peeking(self, memory, bars, session):
        memory, view = honest(self, memory, bars, session)
        ahead = np.nan_to_num(np.abs(recording.ahead("close", bars.bar_end_ns) / bars.close - 1))
        return memory, replace(view, sigma_day_bps=view.sigma_day_bps * (1 + ahead))

    monkeypatch.setattr(MarketModel, "advance", peeking)
    report = checked(recording)
    assert stages_of(report)[0] == "market"
    assert report.differences[0].name == "sigma_day_bps"


def test_a_decision_that_reads_the_next_quote(recording: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = deciding.decide

    def peeking(stages, predictions, covariance, view, book, selector):
        ahead = recording.ahead("ask", book.moment.scheduled_time_ns)
        book = replace(book, ask=np.where(np.isfinite(ahead), ahead, book.ask))
        return honest(stages, predictions, covariance, view, book, selector)

    monkeypatch.setattr(deciding, "decide", peeking)
    report = checked(recording)
    assert stages_of(report)[0] == "spread_gate"
    assert report.differences[0].name == "spread_bps"


def test_a_venue_that_fills_at_the_bar_after_next(recording: Loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = SimulatedExchange.on_bars

    def peeking(self, batch, session):
        ahead = recording.ahead("open", batch.bar_end_ns)
        return honest(self, replace(batch, open=np.where(np.isfinite(ahead), ahead, batch.open)), session)

    monkeypatch.setattr(SimulatedExchange, "on_bars", peeking)
    report = checked(recording)
    assert stages_of(report)[0] == "account"


class TomorrowsVolume:
    """A provider whose estimated spread is wider where tomorrow is quieter."""

    def __init__(self, recording: Loaded) -> None:
        self._recording = recording

    def panel(self) -> BarPanel:
        return self._leaky(self._recording.panel())

    def as_of(self, instant_ns: int) -> BarPanel:
        return self._leaky(self._recording.as_of(instant_ns))

    @staticmethod
    def _leaky(panel: BarPanel) -> BarPanel:
        tomorrow = np.full_like(panel.volume, np.nan)
        tomorrow[: -panel.bars_per_session] = panel.volume[panel.bars_per_session :]
        half = np.nan_to_num(1.0 / tomorrow, nan=1e-3)
        return replace(panel, bid=panel.bid - half, ask=panel.ask + half)


def test_a_provider_that_puts_tomorrow_s_volume_into_the_spread(recording: Loaded) -> None:
    report = checked(TomorrowsVolume(recording))
    assert stages_of(report)[0] == "bars"
    assert [one.name for one in report.differences if one.stage == "bars"] == ["bid", "ask"]


@pytest.fixture(scope="module")
def file_without_quotes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_bars(market()[0], tmp_path_factory.mktemp("bars") / "bars.parquet", SYMBOLS)
    pd.read_parquet(path).drop(columns=["bid", "ask"]).to_parquet(path, index=False)
    return path


def test_a_file_of_bars(file_without_quotes: Path) -> None:
    report = checked(RecordedFile(file_without_quotes), first_session=25)
    assert report.differences == ()
    assert report.fills > 20


def test_a_spread_estimate_that_counts_the_session_it_is_for(
    file_without_quotes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_today(values: FloatArray, window: int) -> FloatArray:
        padded = np.concatenate([np.zeros((window - 1, values.shape[1])), values])
        return np.lib.stride_tricks.sliding_window_view(padded, window, axis=0).sum(axis=-1)

    monkeypatch.setattr(spread, "_trailing_sum", with_today)
    report = checked(RecordedFile(file_without_quotes), first_session=25)
    assert stages_of(report)[0] == "bars"
    assert report.differences[0].name == "bid"


def test_numbers_that_are_drawn_anew_are_found_too(recording: Loaded) -> None:
    class Drawn(PlainForecast):
        def predict_block(self, features: FloatArray) -> RawPredictions:
            said = super().predict_block(features)
            return RawPredictions(said.raw + np.random.default_rng().standard_normal(said.raw.shape))

    assert stages_of(checked(recording, Drawn(["return_1"], 3)))[0] == "forecasts"


# --- nothing compared does not pass ----------------------------------------------------------------------------------


class Silent(PlainForecast):
    def predict_block(self, features: FloatArray) -> RawPredictions:
        return RawPredictions(super().predict_block(features).raw * np.nan)


def test_a_run_without_a_forecast_is_no_proof(recording: Loaded) -> None:
    with pytest.raises(ConfigurationError, match="nothing to compare: no known forecast of rule at 12 instants"):
        checked(recording, Silent(["return_1"], 3))


def test_instants_are_bar_ends_that_have_bars(recording: Loaded) -> None:
    panel = recording.panel()
    start, end = panel.sessions.sessions[3].open_ns, panel.sessions.sessions[5].close_ns
    drawn = choose_instants(panel, start, end, 10, seed=1)
    assert len(drawn) == 10
    assert drawn == tuple(sorted(set(drawn)))
    assert all(start < instant <= end for instant in drawn)
    assert choose_instants(panel, start, end, 10, seed=1) == drawn
    assert choose_instants(panel, start, end, 10, seed=2) != drawn
    with pytest.raises(ConfigurationError, match="no bar ends between start and end"):
        choose_instants(panel, end, end, 10, seed=1)


# --- user features over the whole file -------------------------------------------------------------------------------

HEAD = "import numpy as np\nNAN = np.nan\n"
CENTRED = """
def feature(bars):
    out = np.full(bars.close.shape, NAN)
    for t in range(len(bars)):
        window = bars.close[max(0, t - 2) : t + 3]
        out[t] = bars.close[t] / np.nanmean(window, axis=0) - 1
    return out
"""
TRAILING = CENTRED.replace("t - 2", "t - 4").replace("t + 3", "t + 1")
SCALED = """
def feature(bars):
    r = np.log(bars.close / bars.open)
    return (r - np.nanmean(r, axis=0)) / np.nanstd(r, axis=0)
"""
# a slower series, made of the bars, stamped with the start of its bar: row t may take the last one that has ended
JOINED = """
def feature(bars):
    step = bars.bar_end_ns[1] - bars.bar_end_ns[0] if len(bars) > 1 else 1
    start_ns = bars.bar_end_ns - step
    second = np.nanmean(bars.close / bars.open - 1, axis=1)
    row = np.searchsorted({stamp}, bars.bar_end_ns, side="right") - 1
    return bars.close * 0 + second[row][:, None]
"""
SLOWER = """
def feature(bars):
    day = np.cumsum(bars.slot == bars.slot.min()) - 1
    close = np.stack([bars.close[day == d][-1] for d in range(day.max() + 1)])
    return bars.close / close[{day}] - 1
"""
CUMULATIVE = """
def feature(bars):
    return bars.close - np.nancumsum(bars.close, axis=0) / (1 + np.arange(len(bars)))[:, None]
"""


def report_on(text: str, recording: Loaded, tmp_path: Path, lookback: int = 256) -> tuple[UserFeatureReport, tuple]:
    """Check a run with the feature that a module's text defines; return its report and what the run's stages say."""
    module = f"feature_of_the_lookahead_test_{next(NUMBERS)}"
    (tmp_path / f"{module}.py").write_text(HEAD + text)
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(tmp_path)
        path = f"{module}:feature"
        features = {"extra": [path], "extra_lookback": lookback}
        config = EngineConfig.model_validate(CONFIG.model_dump() | {"features": features})
        run = checked(recording, config=config)
        found = find(path)
    bars = whole_bars(recording.panel())
    return check_user_feature(found, bars, run.instants_ns, run.observed), run.differences


@pytest.mark.parametrize(
    "leak",
    [
        pytest.param(CENTRED, id="centred-window"),
        pytest.param(SCALED, id="scaled-on-the-whole-file"),
        pytest.param(JOINED.format(stamp="start_ns"), id="joined-on-a-bar-that-starts-at-the-end"),
        pytest.param(JOINED.format(stamp="start_ns - step"), id="joined-on-the-bar-after-that"),
        pytest.param(SLOWER.format(day="day"), id="joined-on-the-day-s-own-close"),
    ],
)
def test_a_feature_that_leaks_over_the_whole_file(leak: str, recording: Loaded, tmp_path: Path) -> None:
    report, of_the_run = report_on(leak, recording, tmp_path)
    assert report.difference is not None
    assert report.difference.stage == "user feature"
    assert report.difference.name.startswith("extra_feature of the bar to ")
    assert report.difference.symbol in recording.latest.symbols
    assert (
        of_the_run == ()
    )  # the engine's last row of the bars that have ended does not leak, whatever the function does


@pytest.mark.parametrize(
    "honest",
    [
        pytest.param(TRAILING, id="trailing-window"),
        pytest.param(JOINED.format(stamp="bars.bar_end_ns"), id="joined-on-bars-that-have-ended"),
        pytest.param(SLOWER.format(day="day - 1"), id="joined-on-yesterday-s-close"),
    ],
)
def test_a_feature_that_looks_back(honest: str, recording: Loaded, tmp_path: Path) -> None:
    if "day - 1" in honest:
        honest = honest.replace("close[day - 1] - 1", "np.where(day[:, None] > 0, close[day - 1], NAN) - 1")
    report, of_the_run = report_on(honest, recording, tmp_path)
    assert report.difference is None
    assert of_the_run == ()
    assert report.compared > 12 * 100
    assert report.known > 100
    assert report.other == 0


def test_a_feature_that_looks_back_further_than_the_lookback_is_told_and_no_leak(
    recording: Loaded, tmp_path: Path
) -> None:
    report, of_the_run = report_on(CUMULATIVE, recording, tmp_path, lookback=20)
    assert report.difference is None
    assert of_the_run == ()
    assert report.other == report.known > 100


def test_what_a_function_reads_by_itself_is_not_seen(recording: Loaded, tmp_path: Path) -> None:
    """The documented limit: a file that a function opens cannot be cut off."""
    panel = recording.panel()
    np.save(tmp_path / "tomorrow.npy", np.roll(panel.close, -1, axis=0))
    np.save(tmp_path / "ends.npy", panel.bar_end_ns)
    text = (
        f"CLOSE, ENDS = np.load({str(tmp_path / 'tomorrow.npy')!r}), np.load({str(tmp_path / 'ends.npy')!r})\n"
        "def feature(bars):\n"
        "    rows = np.minimum(np.searchsorted(ENDS, bars.bar_end_ns), len(ENDS) - 1)\n"
        "    return CLOSE[rows] / bars.close - 1\n"
    )
    report, of_the_run = report_on(text, recording, tmp_path)
    assert report.difference is None
    assert of_the_run == ()
