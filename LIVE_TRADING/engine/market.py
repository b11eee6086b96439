"""Market memory: everything the core remembers of the market. Depends on bars, sessions and predictions alone.

One object serves training, the backtest's look-ahead block prediction, the live engine and the replay, so a feature, a
volatility or a z-score has one implementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from LIVE_TRADING.common.determinism import sorted_items
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import AllPredictions, BarBatch, FloatArray, Session
from LIVE_TRADING.common.units import NS_PER_DAY
from LIVE_TRADING.models.features import FeatureBuilder, FeatureState
from LIVE_TRADING.models.liquidity import AdvModel, AdvState
from LIVE_TRADING.models.volatility import VolatilityModel, VolatilityState, spans_of
from LIVE_TRADING.models.windows import FeatureWindows
from LIVE_TRADING.prediction.memory import ForecastMemory, ForecastModel

LONGEST_CLOSURE_NS = 6 * NS_PER_DAY  # open to open; exchanges have closed for four days and a weekend, not for more


@dataclass(frozen=True, eq=False)
class MarketMemory:
    """State of features, volatility, ADV and forecasts after the bar that ended at `advanced_to_ns`.

    `windows` holds the last feature rows of each symbol where a model of the run looks at sequences, else nothing.
    """

    features: FeatureState
    volatility: VolatilityState
    adv: AdvState
    forecast: ForecastMemory
    session_open_ns: int
    session_number: int
    advanced_to_ns: int
    windows: FeatureWindows | None = None


@dataclass(frozen=True, slots=True, eq=False)
class MarketView:
    """What a decision at one bar end may know of the market: features (F, N), σ_h (H, N), σ_day, ADV (N,)."""

    features: FloatArray
    sigma_bps: FloatArray
    sigma_day_bps: FloatArray
    adv_usd: FloatArray


class MarketModel:
    """The four models and the order in which they advance."""

    def __init__(
        self,
        features: FeatureBuilder,
        volatility: VolatilityModel,
        adv: AdvModel,
        forecast: ForecastModel,
        horizons: tuple[Horizon, ...],
        n_symbols: int,
    ) -> None:
        self.features = features
        self.volatility = volatility
        self.adv = adv
        self.forecast = forecast
        self._spans = spans_of(horizons)
        self._n_symbols = n_symbols

    def initial(self, lookback: int = 0) -> MarketMemory:
        """Return a memory that has seen nothing, with windows of `lookback` feature rows; 0: none are kept."""
        empty = FeatureWindows.empty(self._n_symbols, lookback, len(self.features.names)) if lookback else None
        return MarketMemory(
            self.features.initial(),
            self.volatility.initial(self._n_symbols),
            self.adv.initial(self._n_symbols),
            self.forecast.initial(),
            session_open_ns=-1,
            session_number=-1,
            advanced_to_ns=-1,
            windows=empty,
        )

    def to_parts(self, memory: MarketMemory) -> dict[str, dict[str, np.ndarray]]:
        """Return all arrays by part and name, no objects; `models.snapshot.encode_arrays` writes them."""
        instants = [memory.session_open_ns, memory.session_number, memory.advanced_to_ns]
        parts = {
            "features": memory.features.to_arrays(),
            "volatility": memory.volatility.to_arrays(),
            "adv": memory.adv.to_arrays(),
            "forecast": memory.forecast.to_arrays(),
            "instants": {"instants": np.array(instants, dtype=np.int64)},
        }
        if memory.windows is not None:
            parts["windows"] = memory.windows.copy().to_arrays()
        return parts

    def from_parts(self, parts: Mapping[str, Mapping[str, np.ndarray]]) -> MarketMemory:
        """Return the memory that `to_parts` gave.

        Raises
        ------
        StateError
            An array is missing, or is of another shape than this market's: of other symbols or settings.
        """
        self._check_shapes(parts)
        session_open_ns, session_number, advanced_to_ns = (int(value) for value in parts["instants"]["instants"])
        return MarketMemory(
            FeatureState.from_arrays(parts["features"]),
            VolatilityState.from_arrays(parts["volatility"]),
            AdvState.from_arrays(parts["adv"]),
            ForecastMemory.from_arrays(parts["forecast"]),
            session_open_ns,
            session_number,
            advanced_to_ns,
            FeatureWindows.from_arrays(parts["windows"]).copy() if "windows" in parts else None,
        )

    def _check_shapes(self, parts: Mapping[str, Mapping[str, np.ndarray]]) -> None:
        n = self._n_symbols
        expected = {
            "features": self.features.initial().to_arrays(),
            "volatility": self.volatility.initial(n).to_arrays(),
            "adv": self.adv.initial(n).to_arrays(),
        }
        for part, arrays in sorted_items(expected):
            for name, array in sorted_items(arrays):
                shape = parts[part][name].shape if name in parts[part] else array.shape  # a missing one is named later
                if shape != array.shape and not name.startswith("extra."):
                    raise StateError(
                        f"stored market memory: {part}/{name} is {shape}, and that of {n} symbols with these settings "
                        f"is {array.shape}; start it with the symbols and settings that it was stored with"
                    )

    def advance(self, memory: MarketMemory, bars: BarBatch, session: Session) -> tuple[MarketMemory, MarketView]:
        """Take the bars of one bar end, missing ones as NaN; the first of a session rolls the lagged windows."""
        slot, n_bars = session.slot(bars.bar_end_ns, bars.interval_ns), session.n_bars(bars.interval_ns)
        first = memory.session_open_ns != session.open_ns
        features, values = self.features.advance(memory.features, bars, slot, n_bars, first)
        volatility = self.volatility.advance(memory.volatility, bars, slot, n_bars, first)
        adv = self.adv.advance(memory.adv, bars, first)
        number, forecast = self._session_number(memory, session), memory.forecast
        if first:
            forecast = self.forecast.open_session(forecast, number)
        forecast = self.forecast.on_bars(forecast, bars, slot, n_bars)
        windows = memory.windows.advance(values) if memory.windows is not None else None
        after = MarketMemory(features, volatility, adv, forecast, session.open_ns, number, bars.bar_end_ns, windows)
        sigma_bps = self.volatility.sigma_of_spans_bps(volatility, slot, n_bars, self._spans)
        return after, MarketView(values, sigma_bps[:-1], sigma_bps[-1], self.adv.adv_usd(adv))

    def _session_number(self, memory: MarketMemory, session: Session) -> int:
        """Return the number of a session; a gap in the data is a missing one, across which no 1d forecast matures."""
        if memory.session_open_ns == session.open_ns:
            return memory.session_number
        return memory.session_number + (2 if session.open_ns - memory.session_open_ns > LONGEST_CLOSURE_NS else 1)

    def predict(
        self,
        memory: MarketMemory,
        raw: FloatArray,
        slot: int,
        view: MarketView,
        age_ns: np.ndarray,
        planned_usd: float,
    ) -> tuple[MarketMemory, AllPredictions]:
        """Standardise raw forecasts and weigh them by the confidence they have earned."""
        forecast, predictions = self.forecast.forecast(
            memory.forecast, raw, slot, view.sigma_bps, age_ns, view.adv_usd, planned_usd
        )
        return replaced(memory, forecast=forecast), predictions


class BarsAlone(MarketModel):
    """The market memory of a run by rule: it keeps time and nothing else, since the rule reads bars and no forecast."""

    def advance(self, memory: MarketMemory, bars: BarBatch, session: Session) -> tuple[MarketMemory, MarketView]:
        """Note the bar end; the view is empty."""
        n = len(bars.close)
        unknown = np.full(n, np.nan)
        after = replaced(
            memory,
            session_open_ns=session.open_ns,
            session_number=self._session_number(memory, session),
            advanced_to_ns=bars.bar_end_ns,
        )
        return after, MarketView(np.empty((0, n)), np.empty((0, n)), unknown, unknown)
