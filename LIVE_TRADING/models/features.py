"""Features of the market, the one implementation for training, backtest and live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.array_record import ArrayMap, under_prefix, with_prefix
from LIVE_TRADING.common.ranks import centred_ranks
from LIVE_TRADING.common.types import BarBatch, FloatArray, IntArray, Session
from LIVE_TRADING.models.arrivals import arrival
from LIVE_TRADING.models.feature_config import FeatureConfig
from LIVE_TRADING.models.feature_rows import blank, write_price_rows, write_returns, write_volatility, write_volume
from LIVE_TRADING.models.indicators import INDICATORS, Indicators, IndicatorState
from LIVE_TRADING.models.rings import RingState, WindowSums
from LIVE_TRADING.models.session_levels import SessionState, advance_session, initial_session, open_session
from LIVE_TRADING.models.user_features import RecentBars, UserFeatures
from LIVE_TRADING.models.volume_level import VolumeLevel, VolumeState

__all__ = ["Bars", "FeatureBuilder", "FeatureConfig", "FeatureState", "compute_all"]


@dataclass(frozen=True, slots=True, eq=False)
class FeatureState:
    """Memory of the features.

    Rings inside are shared with the record before, whose windows do not reach the slot that is written. So the newest
    record and the one before it are valid; anything older, and whatever runs ahead, needs a `copy`.
    """

    indicators: IndicatorState
    session: SessionState
    volume: VolumeState
    sums: RingState
    extra: RecentBars | None = None  # what user features look back on

    def to_arrays(self) -> ArrayMap:
        """Return copies of all arrays by name."""
        named: ArrayMap = {}
        for field in fields(self):
            part = getattr(self, field.name)
            if part is not None:
                named |= with_prefix(field.name, part.to_arrays())
        return {name: array.copy() for name, array in named.items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the record whose `to_arrays` gave these arrays; they are copied.

        Raises
        ------
        StateError
            An array is missing.
        """
        own = {name: np.array(array) for name, array in arrays.items()}
        extra = under_prefix("extra", own)
        return cls(
            IndicatorState.from_arrays(under_prefix("indicators", own)),
            SessionState.from_arrays(under_prefix("session", own)),
            VolumeState.from_arrays(under_prefix("volume", own)),
            RingState.from_arrays(under_prefix("sums", own)),
            RecentBars.from_arrays(extra) if extra else None,
        )

    def copy(self) -> Self:
        """Return a record that shares nothing with this one."""
        return self.from_arrays(self.to_arrays())


class FeatureBuilder:
    """Features (F, N) of all symbols after each bar, in a constant number of array operations.

    Natural logarithms throughout; r is a bar's return log(close/last close), a symbol's first bar of a session counts
    from its open. Spans are bars that the symbol has had, sessions run into each other without the night between them:
    the night is `gap`. So a span never hides an overnight jump, and after a halt spans reach back to before it.

    return_k                 Σ r over k bars
    return_session           Σ r since the session opened
    return_last_session      log of the last two sessions' closes, night included
    gap                      log(first open of the session / last close of the one before)
    rsi, macd*, atr          TA-Lib's; MACD and ATR as shares of the close
    bollinger_z, _width      (close − mean)/sd, 0 where sd is 0; 4·sd/mean
    volatility_k             √(mean r² over k bars);  volatility_ratio: shortest over longest, 1 where both are 0
    bar_range                (high − low)/close
    bar_location             close within the bar's range, −½ to ½, 0 where there is none; session_location likewise
    volume_surprise, _trend  log volume against the symbol's slow average before this bar, clipped; its fast EWMA
    volume_ratio             log volume, clipped likewise, minus its mean over the last bars, this one included
    session_elapsed          share of the session's bars that have ended;  session_bars_left: how many are to come
    rank_*                   rank across the symbols that have the feature, in (−½, ½)
    extra_*                  `features.extra`: functions of the user's own

    NaN: the symbol has no bar here, or not yet enough of them, or the feature has no value (gap of the first session,
    unknown volume). A missing bar changes nothing in a symbol's memory: its features go on as if that bar had not been,
    save the time of session. Prices enter as ratios: a constant factor on a symbol's prices changes nothing but
    rounding. A symbol's features depend on no other symbol, save the ranks.
    """

    def __init__(
        self, config: FeatureConfig, n_symbols: int, bars_per_session: int, symbols: Sequence[str] = ()
    ) -> None:
        self.n_symbols = n_symbols
        self._config = config
        self._indicators = Indicators(config.indicators, n_symbols)
        level_span = config.volume_level_sessions * bars_per_session
        self._volume = VolumeLevel(level_span, config.volume_trend_span, config.volume_clip)
        returns, volatilities = config.return_spans, config.volatility_spans
        self._sums = WindowSums([volatilities, returns, [config.volume_span]], n_symbols)
        needs = config.bars_needed()
        self._needs = np.array(list(needs.values()), dtype=np.int64)  # order: of the names
        self._volatility_spans = np.array(volatilities, dtype=float)
        rows = {name: row for row, name in enumerate(needs)}
        self._return_rows = slice(0, rows["rsi"])
        self._indicator_rows = slice(rows["rsi"], rows["rsi"] + len(INDICATORS))
        self._volatility_rows = slice(self._indicator_rows.stop, rows["bar_range"])
        self._range_rows = slice(rows["bar_range"], rows["volume_surprise"])
        self._volume_rows = slice(rows["volume_surprise"], len(needs))
        self._ranked = np.array([rows[name] for name in config.ranked])
        self.names: tuple[str, ...] = (*needs, *(f"rank_{name}" for name in config.ranked))
        self._rank_rows = slice(len(needs), len(self.names))
        self._extra_rows = slice(len(self.names), None)
        self.user_features: UserFeatures | None = None
        if config.extra:
            if len(symbols) != n_symbols:
                raise ValueError(f"user features are told the symbols: {len(symbols)} given for {n_symbols} columns")
            self.user_features = UserFeatures(config.extra, config.extra_lookback, symbols)
            self.names += self.user_features.names

    def initial(self) -> FeatureState:
        """Return the memory before the first bar."""
        n = self.n_symbols
        return FeatureState(
            self._indicators.initial(),
            initial_session(n),
            self._volume.initial(n),
            self._sums.initial(),
            None if self.user_features is None else self.user_features.initial(),
        )

    @property
    def sources(self) -> dict[str, str]:
        """Return the SHA-256 of each user feature's module, by its path in `features.extra`."""
        return {} if self.user_features is None else dict(self.user_features.sources)

    def advance(
        self, state: FeatureState, bars: BarBatch, slot: int, n_bars_session: int, first_of_session: bool
    ) -> tuple[FeatureState, FloatArray]:
        """Return the memory after the bars of one bar end, and the features (F, N) in the order of `names`.

        Parameters
        ----------
        bars
            Arrays (N,); NaN close: no bar.
        slot, n_bars_session
            Number of the bar within its session, from 0, and how many bars this session has.
        first_of_session
            Whether this is the first batch of a session that is seen.
        """
        now = arrival(bars, state.indicators.count)
        last_close, session = state.indicators.close, state.session
        if first_of_session:
            session = open_session(session, last_close, state.sums.totals[1])
        added, surprise = np.empty((3, self.n_symbols)), np.empty(self.n_symbols)
        squares, returns, clipped_volume = added
        session = advance_session(session, last_close, now, returns)
        np.multiply(returns, returns, out=squares)
        volume = self._volume.advance(state.volume, now.volume, surprise, clipped_volume)
        sums, windows = self._sums.advance(state.sums, added, now)
        out = np.empty((len(self.names), self.n_symbols))
        indicators = self._indicators.advance(state.indicators, now, out[self._indicator_rows])
        write_returns(added, windows, sums.totals, session.block, out[self._return_rows])
        write_price_rows(now.values, session.block, out[self._indicator_rows], out[self._range_rows])
        write_volatility(windows, self._volatility_spans, out[self._volatility_rows])
        volume_rows = out[self._volume_rows]
        write_volume(surprise, volume.block, added, windows, self._config.volume_span, volume_rows)
        volume_rows[-2] = (slot + 1) / n_bars_session
        volume_rows[-1] = n_bars_session - slot - 1
        blank(now.close, now.seen, self._needs, out)
        centred_ranks(out.take(self._ranked, axis=0), out[self._rank_rows])
        extra = state.extra
        if self.user_features is not None and extra is not None:
            extra = self.user_features.advance(extra, bars, now, slot, out[self._extra_rows])
        return FeatureState(indicators, session, volume, sums, extra), out


class Bars(Protocol):
    """Bars on a grid of bar ends, as a panel of recorded bars is."""

    @property
    def slot(self) -> IntArray:
        """Return the number (T,) of each row within its session."""
        ...

    def __len__(self) -> int: ...

    def batch(self, row: int) -> BarBatch:
        """Return the bars of one row."""
        ...

    def session(self, row: int) -> Session:
        """Return the session of one row."""
        ...


def compute_all(builder: FeatureBuilder, bars: Bars) -> FloatArray:
    """Return the features (T, F, N) of all rows of a grid: `advance` row by row, from nothing."""
    memory = builder.initial()
    features = np.empty((len(bars), len(builder.names), builder.n_symbols))
    open_ns = None
    for row in range(len(bars)):
        session, batch = bars.session(row), bars.batch(row)
        first, open_ns = session.open_ns != open_ns, session.open_ns
        n_bars = session.n_bars(batch.interval_ns)
        memory, features[row] = builder.advance(memory, batch, int(bars.slot[row]), n_bars, first)
    return features
