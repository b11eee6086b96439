"""Records that cross a boundary between stages, adapters and the engine. All frozen; arrays are never written to.

Axes: H horizons, M model families, N symbols in UTF-8 order, F features, T bar ends. Arrays are float64 unless said.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.records import quick_init

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
CodeArray = npt.NDArray[np.int16]


class Record:
    """Base of the records: `to_dict` gives the fields in declared order, one level deep, the same for all of them."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields by name."""
        return record_dict(self)


class Side(StrEnum):
    """Side of an order or fill."""

    sign: int

    BUY = "buy"
    SELL = "sell"

    def __init__(self, value: str) -> None:
        self.sign = 1 if value == "buy" else -1  # of signed quantities


class Leg(StrEnum):
    """What an order is for."""

    ENTRY = "entry"
    EXIT = "exit"
    RESIZE = "resize"
    FLATTEN = "flatten"


class Action(IntEnum):
    """What arbitration wants for a symbol."""

    NONE = 0
    ENTER = 1
    HOLD = 2
    EXTEND = 3
    EXIT = 4
    REVERSE = 5


@dataclass(frozen=True, slots=True)
class Session(Record):
    """One trading day of an exchange (for crypto: one UTC day). `index` counts sessions of the calendar's table."""

    index: int
    date: str
    open_ns: int
    close_ns: int

    def n_bars(self, interval_ns: int) -> int:
        """Return how many whole bars the session holds."""
        return (self.close_ns - self.open_ns) // interval_ns

    def slot(self, bar_end_ns: int, interval_ns: int) -> int:
        """Return the 0-based number, within the session, of the bar that ends at `bar_end_ns`."""
        return (bar_end_ns - self.open_ns) // interval_ns - 1


@dataclass(frozen=True, slots=True, eq=False)
class BarBatch(Record):
    """OHLCV and closing quotes of one bar end, columnar, shape (N,) each. NaN close: that symbol has no bar."""

    bar_end_ns: int
    interval_ns: int
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray
    bid: FloatArray
    ask: FloatArray


BAR_FIELDS = ("open", "high", "low", "close", "volume", "bid", "ask")


@dataclass(frozen=True, slots=True)
class Instrument(Record):
    """What the venue allows for one symbol. Prices in `currency`."""

    symbol: str
    tick: Decimal = Decimal("0.01")
    lot: Decimal = Decimal("1")
    min_notional: Decimal = Decimal("0")
    currency: str = "USD"


@dataclass(frozen=True, slots=True, eq=False)
class RawPredictions(Record):
    """What the models of a run say of one bar end; of a block of them, every array has a leading axis T.

    `raw` (H, M, N) forecasts, NaN: none. `p_peak`, `p_valley` (N,) calibrated probabilities, NaN: none for that symbol;
    None: there is no such classifier.
    """

    raw: FloatArray
    p_peak: FloatArray | None = None
    p_valley: FloatArray | None = None

    def at(self, row: int) -> RawPredictions:
        """Return those of one bar end of a block."""
        return RawPredictions(
            self.raw[row],
            None if self.p_peak is None else self.p_peak[row],
            None if self.p_valley is None else self.p_valley[row],
        )


@dataclass(frozen=True, slots=True, eq=False)
class HorizonPredictions(Record):
    """Stage 1 for one horizon: arrays (M, N)."""

    horizon: str
    z: FloatArray
    confidence: FloatArray
    calibrated: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class AllPredictions(Record):
    """Stage 1. `raw`, `z`, `confidence`, `calibrated` (H, M, N); `ic` (H, M); NaN: no view."""

    horizons: tuple[str, ...]
    families: tuple[str, ...]
    raw: FloatArray
    z: FloatArray
    ic: FloatArray
    confidence: FloatArray
    calibrated: FloatArray
    reason: CodeArray

    def horizon(self, name: str) -> HorizonPredictions:
        """Return the slice of one horizon."""
        row = self.horizons.index(name)
        return HorizonPredictions(name, self.z[row], self.confidence[row], self.calibrated[row])


@dataclass(frozen=True, slots=True, eq=False)
class BlendedAlpha(Record):
    """Stage 2 for one horizon: weights (M,), expected return (N,) in bps over that horizon."""

    horizon: str
    weights: FloatArray
    alpha_bps: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class BlendResult(Record):
    """Stage 2. `weights` (H, M), `alpha_bps` (H, N) over each horizon, `sigma_bps` (H, N) its volatility."""

    horizons: tuple[str, ...]
    weights: FloatArray
    alpha_bps: FloatArray
    sigma_bps: FloatArray
    reason: CodeArray

    def horizon(self, name: str) -> BlendedAlpha:
        """Return the slice of one horizon."""
        row = self.horizons.index(name)
        return BlendedAlpha(name, self.weights[row], self.alpha_bps[row])


@dataclass(frozen=True, slots=True, eq=False)
class ArbitrationResult(Record):
    """Stage 3. `cost_bps` (N,) of a round trip; `net_bps`, `score` (H, N); the choice per symbol (N,).

    `action` holds `Action` codes, `horizon` the row of the chosen horizon or -1, `side` -1, 0 or +1.
    `entry_probability` is the probability of the draw that chose the horizon (NaN unless an entry), `qualifies` (H, N)
    the set it was drawn from.
    """

    cost_bps: FloatArray
    net_bps: FloatArray
    score: FloatArray
    qualifies: BoolArray
    action: CodeArray
    horizon: CodeArray
    side: CodeArray
    chosen_net_bps: FloatArray
    entry_probability: FloatArray
    reason: CodeArray


@dataclass(frozen=True, slots=True, eq=False)
class GateResult(Record):
    """Stage 4, barrier gate. `factor` (N,) in [g_min, 1] scales sizes; `allowed` (N,) binds entries only."""

    allowed: BoolArray
    factor: FloatArray
    reason: CodeArray


@dataclass(frozen=True, slots=True, eq=False)
class SpreadGateResult(Record):
    """Stage 4, spread gate. `spread_bps`, `quote_age_s` (N,); `allowed` binds entries and increases only."""

    spread_bps: FloatArray
    quote_age_s: FloatArray
    allowed: BoolArray
    reason: CodeArray


@dataclass(frozen=True, slots=True, eq=False)
class SizingResult(Record):
    """Stage 5. `target_weight` (N,) signed share of equity; `target_shares` (N,) signed, whole lots."""

    raw_weight: FloatArray
    target_weight: FloatArray
    target_shares: FloatArray
    reason: CodeArray


@quick_init
@dataclass(frozen=True, slots=True)
class Order(Record):
    """An order as the engine means it. Quantities and prices are exact."""

    client_order_id: str
    order_number: int
    symbol: str
    side: Side
    quantity: Decimal
    leg: Leg
    decision_time_ns: int
    order_type: str = "market"
    time_in_force: str = "day"
    limit_price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FillReport(Record):
    """An execution as a venue reports it. `fee` in `currency`, negative for a rebate; None: the venue does not say."""

    execution_id: str
    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal
    currency: str
    exchange_time_ns: int
    cumulative_quantity: Decimal | None = None
    venue_order_id: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection(Record):
    """A pre-trade rule's no, with the rule, what it saw and what it allows."""

    symbol: str
    side: Side
    quantity: Decimal
    leg: Leg
    rule_id: str
    message: str


def record_dict(record: Any) -> dict[str, Any]:
    """Return a record's fields in declared order, one level deep: the one `to_dict` of all records."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
