"""Row 5: the workload that other engines were measured with, by a rule in place of models.

signal = mean(last 20 returns) / sd(last 60 returns) · scale; target = clip(signal, ±1) · 2 %; trade when off by more
than 0.8 %; 1 bp commission, 5 bps slippage; one-minute bars that never pause. `lo` is scale 1, `hi` √20.

The other engines are measured in the same run where BENCH_ANCHORS names the folder of their scripts and PY_NT, PY_BT
and PY_ZL (ZIPLINE_ROOT too) their interpreters; else their published figures stand in, scaled to this machine by a
plain Python loop, and the table says so.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import LIVE_TRADING  # isort: skip  # noqa: F401  sets thread counts before the numeric libraries are loaded

import numpy as np

from LIVE_TRADING.backtest.engine import BacktestEngine
from LIVE_TRADING.backtest.recorder import Recorder
from LIVE_TRADING.brokers.exchange import ExchangeConfig, SimulatedExchange
from LIVE_TRADING.brokers.simulated import PAPER_ACCOUNT, BacktestBroker
from LIVE_TRADING.common.types import BarBatch, FloatArray, Instrument
from LIVE_TRADING.common.units import BPS, NS_PER_DAY, NS_PER_MINUTE
from LIVE_TRADING.data.calendars import ALWAYS_OPEN, session_table
from LIVE_TRADING.data.historical import HistoricalDataProvider
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.run_setup import open_run
from tests.bench.rows import Measured, at_least
from tests.bench.worlds import facts_of, median

MEAN_BARS, SD_BARS, CAP, BAND = 20, 60, 0.02, 0.008
COMMISSION_BPS, SLIPPAGE_BPS, CASH = 1.0, 5.0, Decimal(1_000_000)
SCALES = {"lo": 1.0, "hi": math.sqrt(20.0)}
FIRST_DAY = date(2024, 1, 1)
# µs per bar event at 50 symbols x 2,000 bars, measured with the scripts behind the budgets on another machine, where
# `plain_python` took 1.2: what it takes here says how fast this machine is
PUBLISHED_PLAIN_PYTHON_US = 1.2
PUBLISHED = {
    "lo": {"NautilusTrader": 41.0, "backtrader": 71.0, "zipline-reloaded": 52.0},
    "hi": {"NautilusTrader": 185.0},
}
OTHERS = {
    "NautilusTrader": ("bt_nautilus.py", "PY_NT"),
    "backtrader": ("bt_backtrader.py", "PY_BT"),
    "zipline-reloaded": ("bt_zipline.py", "PY_ZL"),
}
CONFIG = {
    "sizing": {"band_weight": BAND, "min_entry_weight": BAND},
    "risk": {"guardrails": False, "max_gross": 3.0, "max_net": 3.0, "max_position_weight": 1.0},
    "engine": {"initial_cash_usd": float(CASH)},
}


@dataclass
class MomentumRule:
    """The workload's signal for all symbols at once, with running sums over a ring of returns."""

    n_symbols: int
    scale: float
    seen: int = -1
    last: FloatArray | None = None
    ring: FloatArray = field(init=False)
    sums: FloatArray = field(init=False)  # of 20 returns, of 60, of 60 squares

    def __post_init__(self) -> None:
        self.ring, self.sums = np.zeros((SD_BARS, self.n_symbols)), np.zeros((3, self.n_symbols))

    def targets(self, bars: BarBatch) -> FloatArray:
        last, self.last = self.last, bars.close
        self.seen += 1
        if last is None:
            return np.full(self.n_symbols, np.nan)
        change = bars.close / last - 1.0
        place = self.seen % SD_BARS
        oldest = self.ring[place]
        self.sums[0] += change - self.ring[(self.seen - MEAN_BARS) % SD_BARS]
        self.sums[1] += change - oldest
        self.sums[2] += change * change - oldest * oldest
        self.ring[place] = change
        if self.seen < SD_BARS:
            return np.full(self.n_symbols, np.nan)
        mean = self.sums[1] / SD_BARS
        sd = np.sqrt(np.maximum(self.sums[2] / SD_BARS - mean * mean, 1e-18))
        signal = self.sums[0] / MEAN_BARS / sd * self.scale
        return np.minimum(np.maximum(signal, -1.0), 1.0) * CAP


def workload(n_symbols: int, n_bars: int) -> BarPanel:
    """The workload's random bars (seed 7), with quotes that make half the spread its slippage."""
    rng = np.random.default_rng(7)
    returns = rng.standard_normal((n_bars, 1)) * 3e-4 + rng.standard_normal((n_bars, n_symbols)) * 6e-4
    close = np.round(100.0 * np.exp(np.cumsum(returns, axis=0)), 2)
    opened = np.vstack([np.full((1, n_symbols), 100.0), close[:-1]])
    wick = np.abs(rng.standard_normal((n_bars, n_symbols))) * 3e-4
    arrays = {
        "open": opened,
        "high": np.round(np.maximum(opened, close) * (1 + wick), 2),
        "low": np.round(np.minimum(opened, close) * (1 - wick), 2),
        "close": close,
        "volume": np.round(rng.uniform(1e5, 1e6, (n_bars, n_symbols))),
    }
    last_day = FIRST_DAY + timedelta(days=(n_bars - 1) * NS_PER_MINUTE // NS_PER_DAY)
    table = session_table(ALWAYS_OPEN, str(FIRST_DAY), str(last_day))
    size = len(table.bars(NS_PER_MINUTE))
    padded = {name: np.full((size, n_symbols), np.nan) for name in arrays}
    for name, values in arrays.items():
        padded[name][:n_bars] = values
    padded["bid"], padded["ask"] = _around(padded["close"])
    return BarPanel.on_grid([f"S{number:04d}" for number in range(n_symbols)], NS_PER_MINUTE, table, padded)


def _around(close: FloatArray) -> tuple[FloatArray, FloatArray]:
    return close * (1 - SLIPPAGE_BPS / BPS), close * (1 + SLIPPAGE_BPS / BPS)


@dataclass(frozen=True)
class Outcome:
    """What a run of the workload gave and took."""

    orders: int
    equity: float
    wall_s: float
    cpu_s: float
    digests: dict[str, str]


def run(n_symbols: int, n_bars: int, mode: str) -> Outcome:
    """Run the workload through the whole engine, recorded as a backtest is; making the bars is not counted."""
    panel = workload(n_symbols, n_bars)
    instruments = {symbol: Instrument(symbol, lot=Decimal("0.001")) for symbol in panel.symbols}
    rule = MomentumRule(n_symbols, SCALES[mode])
    plan = open_run(
        EngineConfig.model_validate(CONFIG),
        facts_of(panel),
        instruments,
        run_id="workload",
        nonce="workload",
        account=PAPER_ACCOUNT,
        start_ns=panel.sessions.sessions[0].open_ns,
        end_ns=int(panel.bar_end_ns[n_bars - 1]),
        rule=rule,
    )
    exchange = SimulatedExchange(
        ExchangeConfig(fee_bps=COMMISSION_BPS, impact_coefficient=0.0, participation_frac=1.0),
        panel.symbols,
        instruments,
        CASH,
        session_ends=False,
        history=lambda before_ns: _days_before(before_ns, n_symbols),
    )
    core = plan.core()
    recorder = Recorder(core)
    engine = BacktestEngine(
        Driver(core, None, (recorder,), strict=True),
        HistoricalDataProvider(panel),
        BacktestBroker(exchange, panel.sessions),
        rule,
        plan.assembly.market.features,
    )
    wall, cpu = time.perf_counter(), time.process_time()
    engine.run(plan.feed_start_ns, plan.end_ns)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return Outcome(len(recorder._submitted), float(core.state.equity), wall, cpu, core.state.digest.texts())


def _days_before(before_ns: int, n_symbols: int) -> Iterator[tuple[BarBatch, bool]]:
    """Two days of two bars each: the venue fills nothing before it has seen a day, and the workload fills at once."""
    price, volume = np.full(n_symbols, 100.0), np.full(n_symbols, 1e9)
    bid, ask = _around(price)
    for day in (2, 1):
        for bar in (1, 2):
            end_ns = before_ns - day * NS_PER_DAY + bar * NS_PER_MINUTE
            yield BarBatch(end_ns, NS_PER_MINUTE, price, price, price, price, volume, bid, ask), bar == 1


def other_engines(n_symbols: int, n_bars: int, mode: str) -> tuple[dict[str, float], str]:
    """µs per bar event of the other engines, and where the figures are from."""
    folder = os.environ.get("BENCH_ANCHORS")
    found: dict[str, float] = {}
    for name, (script, variable) in OTHERS.items():
        interpreter = os.environ.get(variable)
        if folder is None or interpreter is None:
            continue
        ran = subprocess.run(
            [interpreter, str(Path(folder) / script), str(n_symbols), str(n_bars), mode],
            capture_output=True,
            text=True,
            check=False,
        )
        lines = [line for line in ran.stdout.splitlines() if line.startswith("{")]
        if ran.returncode == 0 and lines:
            found[name] = 1e6 / json.loads(lines[-1])["ev_per_s_run"]
    if found:
        return found, "measured in this run"
    slower = median([plain_python_us(n_symbols, n_bars, SCALES[mode]) for _ in range(3)]) / PUBLISHED_PLAIN_PYTHON_US
    scaled = {name: us * slower for name, us in PUBLISHED[mode].items()}
    return scaled, f"published, times {slower:.2f}: how much longer plain Python takes here"


def plain_python_us(n_symbols: int, n_bars: int, scale: float) -> float:
    """The least an engine in pure Python takes: one object and one call per bar event, floats, nothing checked."""
    panel = workload(n_symbols, n_bars)
    columns = [getattr(panel, name)[:n_bars].tolist() for name in ("open", "high", "low", "close", "volume")]
    state = [_Symbol(deque([0.0] * SD_BARS, maxlen=SD_BARS)) for _ in range(n_symbols)]
    cash = equity = float(CASH)
    cost = (COMMISSION_BPS + SLIPPAGE_BPS) / BPS
    orders: list[tuple[int, int, float, float]] = []
    started = time.perf_counter()
    for bar in range(n_bars):
        equity = cash + sum(one.shares * one.last for one in state)
        for number, values in enumerate(zip(*(column[bar] for column in columns), strict=True)):
            one, event = state[number], _Bar(bar, number, *values)
            target = one.target(event.close, scale)
            if target is None:
                continue
            change = target - one.shares * event.close / equity
            if abs(change) > BAND:
                shares = change * equity / event.close
                orders.append((bar, number, shares, event.close))
                cash -= shares * event.close + abs(shares * event.close) * cost
                one.shares += shares
    return (time.perf_counter() - started) / (n_symbols * n_bars) * 1e6


@dataclass(slots=True)
class _Bar:
    number: int
    symbol: int
    open: float
    high: float
    low: float
    close: float
    volume: float


@dataclass(slots=True)
class _Symbol:
    """Running sums of one symbol's returns, in floats."""

    returns: deque[float]
    last: float = 100.0
    shares: float = 0.0
    seen: int = -1
    short: float = 0.0
    total: float = 0.0
    squares: float = 0.0

    def target(self, close: float, scale: float) -> float | None:
        last, self.last = self.last, close
        self.seen += 1
        if self.seen == 0:
            return None
        change, oldest = close / last - 1.0, self.returns[0]
        self.short += change - self.returns[-MEAN_BARS]
        self.total += change - oldest
        self.squares += change * change - oldest * oldest
        self.returns.append(change)
        if self.seen < SD_BARS:
            return None
        mean = self.total / SD_BARS
        sd = max(self.squares / SD_BARS - mean * mean, 1e-18) ** 0.5
        return min(max(self.short / MEAN_BARS / sd * scale, -1.0), 1.0) * CAP


def against_others() -> list[Measured]:
    found, (n_symbols, n_bars) = [], (50, 2000)
    for mode in SCALES:
        runs = [run(n_symbols, n_bars, mode) for _ in range(3)]
        ours_us = median([one.wall_s for one in runs]) / (n_symbols * n_bars) * 1e6
        cpu_us = median([one.cpu_s for one in runs]) / (n_symbols * n_bars) * 1e6
        others, source = other_engines(n_symbols, n_bars, mode)
        note = f"ours {ours_us:.1f} µs per bar event ({cpu_us:.1f} µs of CPU), {runs[0].orders:,} orders"
        for name, their_us in others.items():
            theirs = f"{name} {their_us:.0f} µs, {source}"
            ratio = their_us / ours_us
            found.append(at_least("5", f"{mode}: faster than {name}", ratio, 5.0, "x", f"{note}; {theirs}"))
    return found
