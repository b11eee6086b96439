"""Commands: everything the core asks for. A shell carries them out, the journal keeps them, a replay compares them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from LIVE_TRADING.common.codec import to_json_value
from LIVE_TRADING.common.records import quick_init
from LIVE_TRADING.common.types import BAR_FIELDS, BarBatch, FloatArray, Order
from LIVE_TRADING.engine.cycle import CycleResult
from LIVE_TRADING.engine.digest import fingerprint_text, fingerprints, stacked
from LIVE_TRADING.engine.ledger import ClosedTrade
from LIVE_TRADING.models.windows import FeatureWindows, Windows


@quick_init
@dataclass(frozen=True, slots=True, eq=False)
class RunInference:
    """Predict from features (F, N) of the bar end `cycle_time_ns`. On file stand fingerprints of bars and features.

    `windows` is the market memory's own ring, None where no model looks at sequences; it follows from the features.
    """

    cycle_time_ns: int
    bars: BarBatch
    features: FloatArray
    windows: FeatureWindows | None = None

    def inputs(self) -> tuple[FloatArray] | tuple[FloatArray, Windows]:
        """Return what a predictor is called with, windows copied: to be asked before the core takes another event."""
        return (self.features,) if self.windows is None else (self.features, self.windows.windows())

    def to_record(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        inputs = ([getattr(self.bars, name) for name in BAR_FIELDS], [self.features])
        bars, features = map(fingerprint_text, fingerprints(*stacked(inputs, len(self.bars.close))))
        return {"cycle_time_ns": self.cycle_time_ns, "fingerprints": {"bars": bars, "features": features}}


@quick_init
@dataclass(frozen=True, slots=True)
class SubmitOrder:
    """Send an order. `reason` is the `Reason` code of the decision."""

    order: Order
    reason: int


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Ask for a cancel."""

    client_order_id: str
    symbol: str
    reason: int


@dataclass(frozen=True, slots=True)
class QueryOrder:
    """Ask the venue what has become of an order whose fate is unknown. It is never sent again."""

    client_order_id: str


@dataclass(frozen=True, slots=True)
class RequestSnapshot:
    """Ask the venue for its book, after a while; `must_count`: until an answer counts."""

    after_s: int
    must_count: bool = False


@dataclass(frozen=True, slots=True)
class BookAdjusted:
    """The ledger took these positions and this cash from the venue; `difference` says what it had held."""

    positions: dict[str, Decimal]
    cash: dict[str, Decimal]
    difference: str


@dataclass(frozen=True, slots=True)
class AccountMarked:
    """The book at a bar end, marked at the last trades or closes. USD."""

    time_ns: int
    cash: Decimal
    positions_value: Decimal
    equity: Decimal
    n_positions: int
    gross: float
    net: float
    drawdown_frac: float
    daily_loss_frac: float


@quick_init
@dataclass(frozen=True, slots=True, eq=False)
class CycleDecided:
    """A decision was taken, or a warm-up forecast made."""

    result: CycleResult

    def to_record(self) -> dict[str, Any]:
        """Return what the journal keeps."""
        return self.result.to_record()


@dataclass(frozen=True, slots=True)
class CycleSkipped:
    """A cycle ended without a decision: skipped_overlap, timeout, restart."""

    cycle_time_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class TradeClosed:
    """A round trip ended flat."""

    trade: ClosedTrade


@dataclass(frozen=True, slots=True)
class TradingStateChanged:
    """The trading state moved: active, reduce_only, halted."""

    old: str
    new: str
    rule_id: str
    message: str


@dataclass(frozen=True, slots=True)
class BanditUpdated:
    """The weights of the horizons after matured round trips, or outcomes, were learned from."""

    rounds: int
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Anomaly:
    """Something an operator should know: late_bar, late_fill, overfill, unknown_order, duplicate_report, ..."""

    kind: str
    message: str


Command = (
    RunInference
    | SubmitOrder
    | CancelOrder
    | QueryOrder
    | RequestSnapshot
    | BookAdjusted
    | AccountMarked
    | CycleDecided
    | CycleSkipped
    | TradeClosed
    | TradingStateChanged
    | BanditUpdated
    | Anomaly
)


def command_record(command: Command) -> list[Any]:
    """Return [type name, fields] of a command as the journal keeps it."""
    if isinstance(command, (RunInference, CycleDecided)):
        return [type(command).__name__, command.to_record()]
    return [type(command).__name__, to_json_value(command)]
