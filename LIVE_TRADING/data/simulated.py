"""The simulated market: a planted, tradable edge that shows in volume alone, and everything else noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import IntEnum
from typing import Self

import numpy as np
from pydantic import Field, model_validator

from LIVE_TRADING.common.clock import Clock
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import BoolArray, FloatArray
from LIVE_TRADING.common.units import BPS, NS_PER_MINUTE
from LIVE_TRADING.data.calendars import SIMULATED, SessionTable, session_table
from LIVE_TRADING.data.historical import HistoricalDataProvider, LateBar
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated_quotes import SimulatedQuotes

_SESSION_MINUTES = 390
_TICK_USD = 0.01
_HALT_BARS = (3, 12)  # shortest and longest halt


class SimulatedMarketConfig(FrozenConfig):
    """The simulated market. With `edge` 0 nothing can be predicted."""

    seed: int = Field(7, ge=0, lt=2**63, description="key of every random number")
    n_symbols: int = Field(30, ge=1, le=10_000, description="symbols, named S0000, S0001, ...")
    n_sessions: int = Field(60, ge=1, le=5_000, description="sessions: weekdays from start_date, no holidays")
    bars_per_session: int = Field(
        78, ge=1, le=390, description="bars in the 390 minutes of a session; a divisor of 390"
    )
    start_date: date = Field(date(2025, 1, 2), description="first session on or after this date")
    edge: float = Field(0.08, ge=0, lt=1, description="move of a bar per unit of x before it, in σ_bar")
    half_life_bars: float = Field(12.0, gt=0, description="half-life of the hidden x, bars")
    spread_bps: float = Field(2.0, ge=0, le=1_000, description="bid to ask; at least one tick of 0.01 USD")
    day_vol_bps: float = Field(
        150.0, gt=0, le=2_000, description="median over symbols of σ of a day, overnight included"
    )
    day_vol_log_sd: float = Field(0.35, ge=0, le=2, description="sd over symbols of log σ")
    u_shape: float = Field(2.0, ge=0, le=100, description="variance at open and close is 1 + this times that of midday")
    overnight_share_frac: float = Field(0.25, ge=0, lt=1, description="share of a day's variance that falls overnight")
    correlation: float = Field(
        0.3, ge=0, lt=1, description="of the noise of any two symbols, through one market factor"
    )
    adv_usd: float = Field(200e6, gt=0, description="mean traded value of a session, per symbol")
    volume_coefficient: float = Field(0.6, ge=0, le=3, description="log volume per unit of x")
    volume_noise: float = Field(0.5, ge=0, le=3, description="sd of the rest of log volume")
    start_price_min_usd: float = Field(30.0, ge=1, description="lowest start price")
    start_price_max_usd: float = Field(300.0, ge=1, description="highest start price")
    halt_probability: float = Field(0.005, ge=0, le=1, description="of a halt of 3 to 12 bars, per symbol and session")
    missing_bar_probability: float = Field(0.001, ge=0, lt=1, description="of a bar lost by the feed, per symbol, bar")
    quotes_per_bar: int = Field(
        0, ge=0, le=3_000, description="trades and quotes of each symbol between the ends of its bars; 0: none"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if _SESSION_MINUTES % self.bars_per_session:
            raise ValueError(f"bars_per_session {self.bars_per_session} does not divide {_SESSION_MINUTES} minutes")
        if self.start_price_max_usd < self.start_price_min_usd:
            raise ValueError("start_price_max_usd is below start_price_min_usd")
        return self


class _Stream(IntEnum):
    """What random numbers are for: the second half of their Philox key. Numbers are stable."""

    START = 0
    MARKET = 1
    OWN = 2
    HIDDEN = 3
    VOLUME = 4
    RANGE = 5
    GAPS = 6
    OVERNIGHT = 7


@dataclass(frozen=True, slots=True, eq=False)
class _Paths:
    """Log prices before rounding and gaps and their drivers: arrays (T, N), `sigma_bar` (B, N), `price_usd` (N,)."""

    hidden: FloatArray
    sigma_bar: FloatArray
    bar_return: FloatArray
    log_open: FloatArray
    log_close: FloatArray
    price_usd: FloatArray


def simulate_market(config: SimulatedMarketConfig) -> BarPanel:
    """Return the bars of the simulated market; the same config gives the same bits.

    Per symbol i and bar t, slot k of B in its session:

        x_t        = φ x_{t-1} + √(1-φ²) ε,  φ = 2^(-1/half_life), x_0 ~ N(0, 1): unit variance throughout
        r_t        = edge · σ_ik · x_{t-1} + σ_ik (√ρ f_t + √(1-ρ) ε_it)      log return from open to close
        σ_ik²      = (1 - overnight_share) σ_i² s_k / B,  s_k ∝ 1 + u_shape v_k², v_k from -1 to 1, mean of s 1
        overnight  = √overnight_share · σ_i · N(0, 1), correlated likewise
        log V_t    = volume_coefficient · x_t + volume_noise · ε + constant   traded value, mean adv_usd / B
        high, low  = extremes of a Brownian bridge of variance σ_ik² from open to close (exact distribution of each)

    x runs on overnight. A bar opens where the one before closed, rounded to a cent. In a halt and where the feed loses
    a bar everything of it is NaN while the price moves on unseen. bid and ask stand at half the spread to both sides
    of the close. Numbers come from Philox, one key per purpose, drawn bar after bar: a longer simulation begins with
    the shorter one.
    """
    interval_ns = _SESSION_MINUTES // config.bars_per_session * NS_PER_MINUTE
    paths = _paths(config)
    open_usd, close_usd = _cents(paths, paths.log_open), _cents(paths, paths.log_close)
    high_usd, low_usd = _extremes(config, paths, open_usd, close_usd)
    spread_usd = np.maximum(config.spread_bps / BPS * close_usd, _TICK_USD)
    gaps = _gaps(config)
    volume = _volume(config, paths.hidden, open_usd)
    arrays = {
        "open": open_usd,
        "high": high_usd,
        "low": low_usd,
        "close": close_usd,
        "volume": volume,
        "bid": close_usd - spread_usd / 2,
        "ask": close_usd + spread_usd / 2,
    }
    visible = {name: np.where(gaps, np.nan, values) for name, values in arrays.items()}
    symbols = [f"S{number:04d}" for number in range(config.n_symbols)]
    return BarPanel.on_grid(symbols, interval_ns, _sessions(config), visible)


class SimulatedDataProvider(HistoricalDataProvider):
    """Streams the simulated market, or some sessions and symbols of it; quotes between its bars if asked for."""

    def __init__(
        self,
        config: SimulatedMarketConfig | None = None,
        *,
        symbols: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        late: Sequence[LateBar] = (),
        clock: Clock | None = None,
    ) -> None:
        config = config or SimulatedMarketConfig()
        market = panel = simulate_market(config)
        if symbols is not None:
            panel = market.select(symbols)
        quotes = SimulatedQuotes(market, config.quotes_per_bar, config.seed) if config.quotes_per_bar else None
        super().__init__(panel.of_dates(start, end), late=late, clock=clock, quotes=quotes)


def _generator(config: SimulatedMarketConfig, stream: _Stream) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=np.array([config.seed, stream], dtype=np.uint64)))


def _sessions(config: SimulatedMarketConfig) -> SessionTable:
    weeks = config.n_sessions // 5 + 2
    table = session_table(SIMULATED, str(config.start_date), str(config.start_date + timedelta(weeks=weeks)))
    return SessionTable(SIMULATED, table.sessions[: config.n_sessions])


def _paths(config: SimulatedMarketConfig) -> _Paths:
    n_symbols, n_slots = config.n_symbols, config.bars_per_session
    n_bars = config.n_sessions * n_slots
    start = _generator(config, _Stream.START)
    low_usd, high_usd = config.start_price_min_usd, config.start_price_max_usd
    price_usd = np.exp(start.uniform(np.log(low_usd), np.log(high_usd), n_symbols))
    sigma_day = config.day_vol_bps / BPS * np.exp(config.day_vol_log_sd * start.standard_normal(n_symbols))
    hidden_start = start.standard_normal(n_symbols)

    position = (2.0 * np.arange(n_slots) + 1.0) / n_slots - 1.0
    profile = 1.0 + config.u_shape * position**2
    variance_share = (1.0 - config.overnight_share_frac) * profile / profile.sum()
    sigma_bar = np.sqrt(variance_share)[:, None] * sigma_day

    hidden = _hidden(config, hidden_start, n_bars)
    before = np.vstack([hidden_start[None], hidden[:-1]])
    noise = _correlated(config, _Stream.MARKET, _Stream.OWN, n_bars)
    bar_return = np.tile(sigma_bar, (config.n_sessions, 1)) * (config.edge * before + noise)
    overnight = np.zeros((n_bars, n_symbols))
    overnight[::n_slots] = np.sqrt(config.overnight_share_frac) * sigma_day * _overnight_noise(config)
    overnight[0] = 0.0
    log_close = np.cumsum(bar_return + overnight, axis=0)
    log_open = np.vstack([np.zeros((1, n_symbols)), log_close[:-1]]) + overnight
    return _Paths(hidden, sigma_bar, bar_return, log_open, log_close, price_usd)


def _hidden(config: SimulatedMarketConfig, start: FloatArray, n_bars: int) -> FloatArray:
    phi = 0.5 ** (1.0 / config.half_life_bars)
    hidden: FloatArray = np.sqrt(1.0 - phi * phi) * _generator(config, _Stream.HIDDEN).standard_normal(
        (n_bars, len(start))
    )
    previous = start
    for row in hidden:
        row += phi * previous
        previous = row
    return hidden


def _correlated(config: SimulatedMarketConfig, market: _Stream, own: _Stream, n_rows: int) -> FloatArray:
    factor = _generator(config, market).standard_normal((n_rows, 1))
    residual = _generator(config, own).standard_normal((n_rows, config.n_symbols))
    noise: FloatArray = np.sqrt(config.correlation) * factor + np.sqrt(1.0 - config.correlation) * residual
    return noise


def _overnight_noise(config: SimulatedMarketConfig) -> FloatArray:
    draws = _generator(config, _Stream.OVERNIGHT).standard_normal((config.n_sessions, 1 + config.n_symbols))
    noise: FloatArray = np.sqrt(config.correlation) * draws[:, :1] + np.sqrt(1.0 - config.correlation) * draws[:, 1:]
    return noise


def _cents(paths: _Paths, log_price: FloatArray) -> FloatArray:
    rounded: FloatArray = np.maximum(np.round(paths.price_usd * np.exp(log_price), 2), _TICK_USD)
    return rounded


def _extremes(
    config: SimulatedMarketConfig, paths: _Paths, open_usd: FloatArray, close_usd: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return high and low: a bridge from 0 to r has the maximum (r + √(r² - 2σ² ln U)) / 2; the minimum mirrors it."""
    shape = paths.bar_return.shape
    uniform = 1.0 - _generator(config, _Stream.RANGE).random((shape[0], 2, shape[1]))
    variance = np.tile(paths.sigma_bar**2, (config.n_sessions, 1))
    swing = np.sqrt(paths.bar_return[:, None] ** 2 - 2.0 * variance[:, None] * np.log(uniform))
    above = (paths.bar_return + swing[:, 0]) / 2.0
    below = (paths.bar_return - swing[:, 1]) / 2.0
    high_usd = np.maximum(_cents(paths, paths.log_open + above), np.maximum(open_usd, close_usd))
    low_usd = np.minimum(_cents(paths, paths.log_open + below), np.minimum(open_usd, close_usd))
    return high_usd, low_usd


def _volume(config: SimulatedMarketConfig, hidden: FloatArray, open_usd: FloatArray) -> FloatArray:
    """Return whole shares, at least one: a bar that was printed has traded."""
    coefficient, noise_sd = config.volume_coefficient, config.volume_noise
    noise = _generator(config, _Stream.VOLUME).standard_normal(hidden.shape)
    log_volume = coefficient * hidden + noise_sd * noise - (coefficient**2 + noise_sd**2) / 2.0
    shares: FloatArray = np.maximum(
        np.round(config.adv_usd / config.bars_per_session * np.exp(log_volume) / open_usd), 1
    )
    return shares


def _gaps(config: SimulatedMarketConfig) -> BoolArray:
    """Return which bars are missing: halts within a session, and single bars lost by the feed."""
    n_slots = config.bars_per_session
    draws = _generator(config, _Stream.GAPS).random((config.n_sessions, n_slots + 3, config.n_symbols))
    lost = draws[:, :n_slots] < config.missing_bar_probability
    halted, begin, length = draws[:, n_slots], draws[:, n_slots + 1], draws[:, n_slots + 2]
    shortest, longest = _HALT_BARS
    first = np.floor(begin * n_slots)
    last = first + shortest + np.floor(length * (longest - shortest + 1))
    slots = np.arange(n_slots)[None, :, None]
    in_halt = (slots >= first[:, None]) & (slots < last[:, None]) & (halted < config.halt_probability)[:, None]
    gaps: BoolArray = (lost | in_halt).reshape(-1, config.n_symbols)
    return gaps
