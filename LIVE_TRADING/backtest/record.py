"""What a backtest hands over: the record from which every file and the report are made.

T cycles, S stages, N symbols, B bar ends. Money and quantities of fills, orders and trades are exact (Decimal); the
pipeline's figures are float64, NaN where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import CodeArray, FloatArray, IntArray, Leg, Session, Side

MoneySeries = Sequence[Decimal] | FloatArray

LONG = "long"
SHORT = "short"


@dataclass(frozen=True, slots=True)
class FillRow:
    """One execution, at the exchange's time.

    `mid_price` is the open of the bar that filled it, before spread and impact. `half_spread_bps` is the part of the
    price's distance from it that is spread (NaN: not known, then spread and impact are shown as one figure).
    """

    time_ns: int
    symbol: str
    leg: Leg
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    currency: str
    order_id: str
    execution_id: str
    mid_price: Decimal
    horizon: str
    half_spread_bps: float = float("nan")

    @property
    def signed_quantity(self) -> Decimal:
        """Return the quantity, negative for a sale."""
        return self.quantity * self.side.sign

    @property
    def slippage_usd(self) -> Decimal:
        """Return what the price cost against `mid_price`: positive is paid, negative is gained."""
        return self.signed_quantity * (self.price - self.mid_price)


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One order as it ended. `time_ns` is the decision's; `reason` the decision's, or the venue's on a rejection."""

    order_id: str
    order_number: int
    time_ns: int
    symbol: str
    leg: Leg
    side: Side
    quantity: Decimal
    order_type: str
    time_in_force: str
    status: str
    filled_quantity: Decimal
    avg_price: Decimal | None
    reason: str


@dataclass(frozen=True, slots=True)
class RejectionRow:
    """One order that a pre-trade rule refused, so that it was never sent."""

    time_ns: int
    symbol: str
    leg: Leg
    side: Side
    quantity: Decimal
    rule_id: str
    message: str


@dataclass(frozen=True, slots=True)
class EntryBelief:
    """What the pipeline believed of an entry when it decided it, bps of the notional; NaN: not known.

    cost_bps = cost_spread_bps + cost_impact_bps + cost_fees_bps, of the round trip; impact holds the timing risk.
    `family_shares` is each family's part of the blended alpha, weight · calibrated over their sum, by family as in
    `RunScope.families`: the parts sum to 1, one that disagreed is negative.
    """

    alpha_bps: float
    cost_bps: float
    cost_spread_bps: float
    cost_impact_bps: float
    cost_fees_bps: float
    family_shares: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One round trip, from flat to flat.

    net_pnl_usd = gross_pnl_usd − slippage_usd − fees_usd, exactly; gross is the P&L at the fills' `mid_price`.
    `quantity` is the largest held, `entry_notional_usd` the sum of all fills that increased the position,
    `cost_model_bps` the round trip's cost as the arbiter believed it at the entry, NaN if not known. `spread_usd` is
    the part of the slippage that is spread, NaN where a fill does not know it. `belief` is that of the first fill's
    order, None where that was no entry.
    """

    symbol: str
    side: str
    horizon: str
    entry_time_ns: int
    exit_time_ns: int
    quantity: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_notional_usd: Decimal
    gross_pnl_usd: Decimal
    slippage_usd: Decimal
    fees_usd: Decimal
    net_pnl_usd: Decimal
    cost_model_bps: float
    exit_reason: str
    entry_order_id: str
    exit_order_id: str
    spread_usd: float = float("nan")
    belief: EntryBelief | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PriceLine:
    """Closes of one symbol at bar ends, shape (B,); NaN: no bar."""

    time_ns: IntArray
    close: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class EquityCurve:
    """The account at every bar end, shape (B,). `gross_usd` is the sum of absolute position values, if it was kept."""

    time_ns: IntArray
    cash_usd: MoneySeries
    positions_usd: MoneySeries
    equity_usd: MoneySeries
    gross_usd: FloatArray | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.time_ns), len(self.cash_usd), len(self.positions_usd), len(self.equity_usd)}
        if self.gross_usd is not None:
            lengths.add(len(self.gross_usd))
        if len(lengths) != 1:
            raise ValueError(f"equity curve with columns of different lengths: {sorted(lengths)}")


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What each stage said at each deciding cycle (warm-up cycles are left out).

    reason
        (T, S, N) int16, codes of `Reason`, S in the order of `stages`.
    horizon
        (T, N) row of `horizons`, -1: none chosen.
    side
        (T, N) -1, 0 or +1.
    action
        (T, N) codes of `Action`.
    alpha_bps, cost_bps, net_bps
        (T, N) of the chosen horizon, of a round trip, and what is left.
    target_weight, target_shares
        (T, N) signed share of equity, signed shares.
    """

    time_ns: IntArray
    stages: tuple[str, ...]
    horizons: tuple[str, ...]
    reason: CodeArray
    horizon: CodeArray
    side: CodeArray
    action: CodeArray
    alpha_bps: FloatArray
    cost_bps: FloatArray
    net_bps: FloatArray
    target_weight: FloatArray
    target_shares: FloatArray

    def __post_init__(self) -> None:
        cycles, symbols = self.horizon.shape
        expected = {"time_ns": (cycles,), "reason": (cycles, len(self.stages), symbols)}
        for name in ("side", "action", "alpha_bps", "cost_bps", "net_bps", "target_weight", "target_shares"):
            expected[name] = (cycles, symbols)
        wrong = [
            f"{name} {np.shape(getattr(self, name))}, expected {shape}"
            for name, shape in expected.items()
            if np.shape(getattr(self, name)) != shape
        ]
        if wrong:
            raise ValueError(f"decisions do not fit together: {'; '.join(wrong)}")


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """What names a run: equal digests mean equal decisions.

    `models` are the SHA-256 of the models' descriptions by `<target>/<family>`, empty where a rule stands in for them.
    """

    run_id: str
    decision_digest: str
    trace_digest: str
    fills_digest: str
    run_digest: str
    config_hash: str
    data_hash: str
    code_version: str = ""
    models: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunScope:
    """What was traded and when: the sessions that were decided in, oldest first, without those of the warm-up.

    `sessions_per_year` annualises: 252 for equities, 365 for a market that is open always. `timezone` is the IANA name
    of the exchange's, by which times of day are told; `families` the model families, as `family_shares` are ordered.
    """

    symbols: tuple[str, ...]
    sessions: tuple[Session, ...]
    calendar: str
    sessions_per_year: int
    interval_ns: int
    start_equity_usd: Decimal
    quotes_estimated: bool
    timezone: str = "UTC"
    families: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunEffort:
    """How much was done and what it took. `cycles` are the deciding ones; the warm-up's are counted apart."""

    cycles: int
    warmup_cycles: int
    bar_events: int
    wall_s: float
    inference_s: float
    peak_rss_mb: float


@dataclass(frozen=True, slots=True, eq=False)
class BacktestRecord:
    """One finished backtest.

    `trades` are the closed round trips, by exit (`trades.round_trips` makes them from fills); `marks` the last prices
    of what is still held; `notes` sentences for the report's caveats that only the caller knows; `config` every setting
    of the run by dotted key, without secrets; `prices` the closes of the symbols whose trades the report draws.
    """

    identity: RunIdentity
    scope: RunScope
    effort: RunEffort
    decisions: Decisions
    equity: EquityCurve
    orders: Sequence[OrderRow]
    rejections: Sequence[RejectionRow]
    fills: Sequence[FillRow]
    trades: Sequence[TradeRow]
    marks: Mapping[str, Decimal] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    prices: Mapping[str, PriceLine] = field(default_factory=dict)
