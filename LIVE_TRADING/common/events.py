"""Events: everything the core is told. Frozen; instants are int64 ns UTC; quantities and money are Decimal."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Any

from LIVE_TRADING.common.records import quick_init
from LIVE_TRADING.common.types import BarBatch, FloatArray, Session, Side

DUPLICATE_ID = "duplicate client_order_id"


class Priority(IntEnum):
    """Class of an event in the queue; lower is served first."""

    SYSTEM = 0
    FILL = 1
    REJECT = 2
    ORDER = 3
    PREDICTIONS = 4
    BARS = 5
    TRIGGER = 6
    MARKET_DATA = 7


@dataclass(frozen=True, slots=True)
class SystemFault:
    """Something outside the core failed. The sketch's `SystemError`. severity: warning, error or critical."""

    error_type: str
    message: str
    severity: str
    timestamp_ns: int


@quick_init
@dataclass(frozen=True, slots=True)
class OrderAck:
    """The venue has the order."""

    order_id: str
    timestamp_ns: int


@quick_init
@dataclass(frozen=True, slots=True)
class OrderFill:
    """An execution. `timestamp_ns` is the exchange's time, which may be older than the arrival."""

    order_id: str
    execution_id: str
    symbol: str
    side: Side
    fill_price: Decimal
    fill_amount: Decimal
    commission: Decimal
    currency: str
    timestamp_ns: int
    reference_price: Decimal | None = None  # open of the bar, before spread and impact; simulated venues only


@dataclass(frozen=True, slots=True)
class OrderReject:
    """The venue refused the order for good. `reason` holds `DUPLICATE_ID` where it has had an order of that id."""

    order_id: str
    reason: str
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class OrderCancelled:
    """The rest of the order no longer works at the venue."""

    order_id: str
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class CancelRejected:
    """The order could not be cancelled; what it is stands in its own reports."""

    order_id: str
    reason: str
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class OrderExpired:
    """The session ended before the order was filled in full."""

    order_id: str
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class OrderUnknown:
    """Whether the venue has the order is not known: the submit timed out, broke off, or a crash came between."""

    order_id: str
    reason: str
    timestamp_ns: int


class VenueStatus(StrEnum):
    """What a venue says of an order when it is asked.

    absent      it knows no such order, every time it was asked
    unanswered  it did not say
    """

    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    ABSENT = "absent"
    UNANSWERED = "unanswered"


@dataclass(frozen=True, slots=True)
class OrderStatusReport:
    """The answer to a query; the executions that the venue named with it were told before.

    `filled` is the cumulative quantity; `final` says of an absent order that it can never come to be at the venue.
    """

    order_id: str
    status: VenueStatus
    filled: Decimal
    final: bool
    reason: str
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """The venue's book: signed quantities by symbol, cash by currency, ids of what works.

    `book_version` is the core's when it was asked for: what orders have moved since makes it count for nothing.
    `must_count`: then ask again, since something waits for it.
    """

    book_version: int
    positions: dict[str, Decimal]
    cash: dict[str, Decimal]
    open_orders: tuple[str, ...]
    must_count: bool
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """An operator's word: resume, reset, halt, adopt, ignore, or settle the order `subject` as `outcome`."""

    action: str
    reason: str
    timestamp_ns: int
    subject: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PredictionsReady:
    """Raw model outputs (H, M, N) for the cycle whose bars ended at `cycle_time_ns`; NaN: no forecast.

    `p_peak`, `p_valley` (N,) are calibrated probabilities, None where no classifier is loaded.
    """

    cycle_time_ns: int
    raw: FloatArray
    p_peak: FloatArray | None
    p_valley: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class TargetsReady:
    """Target weights (N,) of a rule for the cycle whose bars ended at `cycle_time_ns`; NaN: leave as it is."""

    cycle_time_ns: int
    weights: FloatArray


@dataclass(frozen=True, slots=True)
class ScheduledTrigger:
    """The scheduler's word: session_open, cycle or session_close. For a cycle `scheduled_time_ns` is the bar end."""

    trigger_type: str
    scheduled_time_ns: int
    session: Session
    actual_time_ns: int


_NAN, _INFINITE = math.nan, (math.inf, -math.inf)
_NUMBERS = ("price", "volume", "bid", "ask", "bid_size", "ask_size")


@dataclass(frozen=True, slots=True)
class MarketData:
    """A trade, a quote or both, of one symbol. Prices in its currency, volume and sizes in units; NaN: not told.

    asset         the symbol
    timestamp_ns  when the venue made the quote; where there is none, the trade
    price, volume of the last trade; a NaN price: no trade is told
    bid, ask      a NaN side is not quoted. Prices and sizes all NaN: where there is a trade, no quote is told; where
                  there is none, both sides are withdrawn
    traded_ns     when the trade was made, where that is another instant than `timestamp_ns`

    Prices that no market can have (crossed, zero, negative, of another day) are a matter for the core: it must know.

    Raises
    ------
    ValueError
        A number is infinite or none at all: what cannot be recorded cannot be told; see `of_feed`.
    """

    asset: str
    timestamp_ns: int
    price: float = _NAN
    volume: float = _NAN
    bid: float = _NAN
    ask: float = _NAN
    bid_size: float = _NAN
    ask_size: float = _NAN
    traded_ns: int | None = None

    def __post_init__(self) -> None:
        numbers = (self.price, self.volume, self.bid, self.ask, self.bid_size, self.ask_size)
        if {*map(type, numbers)} == {float} and _INFINITE[0] not in numbers and _INFINITE[1] not in numbers:
            return  # as good as always, and in a third of the time
        for name, value in zip(_NUMBERS, numbers, strict=True):
            if isinstance(value, bool) or not isinstance(value, (float, int)) or math.isinf(value):
                raise ValueError(
                    f"MarketData of {self.asset}: {name} {value!r} is no finite number; give one, or NaN for not told"
                )

    @classmethod
    def of_feed(cls, asset: str, timestamp_ns: int, *, traded_ns: int | None = None, **numbers: float) -> MarketData:
        """Return what a feed says; an infinite number stands as 0, which is no price either and so stops entries."""
        told = {name: 0.0 if math.isinf(value) else value for name, value in numbers.items()}
        return cls(asset, timestamp_ns, traded_ns=traded_ns, **told)

    @property
    def has_trade(self) -> bool:
        """Return whether a trade is told."""
        return self.price == self.price

    @property
    def has_quote(self) -> bool:
        """Return whether a quote is told, a withdrawn one included."""
        return self.price != self.price or self._has_side

    @property
    def _has_side(self) -> bool:
        bid, ask, bid_size, ask_size = self.bid, self.ask, self.bid_size, self.ask_size
        return bid == bid or ask == ask or bid_size == bid_size or ask_size == ask_size

    @property
    def trade_ns(self) -> int:
        """Return when the trade was made."""
        return self.timestamp_ns if self.traded_ns is None else self.traded_ns

    def joined(self, later: MarketData) -> MarketData:
        """Return the newest trade and the newest quote of two; of equal times, those that came later.

        Whichever of the four stands alone keeps its own time: nothing looks newer than it is.
        """
        if later.timestamp_ns >= self.timestamp_ns and self.traded_ns is later.traded_ns is None:
            whole = later.price == later.price or self.price != self.price
            if whole and (later.bid == later.bid or later.ask == later.ask):
                return later
        if later.has_quote and (not self.has_quote or later.timestamp_ns >= self.timestamp_ns):
            quote = later
        else:
            quote = self if self.has_quote else later
        if later.has_trade and (not self.has_trade or later.trade_ns >= self.trade_ns):
            trade = later
        else:
            trade = self if self.has_trade else later
        if quote is trade:
            return quote
        if not quote.has_quote:
            return trade
        if not trade.has_trade:
            return quote
        sizes = (quote.bid_size, quote.ask_size) if quote._has_side else (0.0, 0.0)  # beside a trade NaN tells nothing
        return MarketData(
            self.asset,
            quote.timestamp_ns,
            trade.price,
            trade.volume,
            quote.bid,
            quote.ask,
            *sizes,
            traded_ns=None if trade.trade_ns == quote.timestamp_ns else trade.trade_ns,
        )


@dataclass(frozen=True, slots=True)
class CycleAborted:
    """The cycle in flight will get no predictions."""

    cycle_time_ns: int
    reason: str


@dataclass(frozen=True, slots=True)
class CodeChanged:
    """From here on other code decides than `before` it, or the same code could not give what is on file.

    `first_seq` is the first event after which this code, `code`, would have commanded something else than what is on
    file, and `difference` says what; 0 and "" where nothing that was compared differs.
    """

    code: str
    before: str
    first_seq: int
    difference: str
    timestamp_ns: int


@dataclass(frozen=True, slots=True)
class RunStarted:
    """Opens a run: all that a replay needs beside the events. Arrays as nested lists (H, M); no secrets."""

    nonce: str
    seed: int
    run_id: str
    account: str
    mode: str
    code_version: str
    cpu_fingerprint: str
    config: dict[str, Any]
    config_hash: str
    data_hash: str
    calendar: str
    interval_ns: int
    bars_per_session: int
    symbols: tuple[str, ...]
    horizons: tuple[str, ...]
    families: tuple[str, ...]
    feature_names: tuple[str, ...]
    model_hashes: dict[str, str]
    ic_val: list[list[float | None]]
    n_val: list[list[float | None]]
    rmse_val: list[list[float | None]]
    instruments: list[dict[str, str]]
    initial_cash: str
    currency: str
    warmup_until_ns: int
    market_arrays: str
    started_ns: int
    feature_sources: dict[str, str] = field(default_factory=dict)


OrderEvent = OrderAck | OrderFill | OrderReject | OrderCancelled | CancelRejected | OrderExpired
Answer = PredictionsReady | TargetsReady
Event = (
    SystemFault
    | OrderEvent
    | OrderUnknown
    | OrderStatusReport
    | BrokerSnapshot
    | ControlRequest
    | CodeChanged
    | Answer
    | BarBatch
    | ScheduledTrigger
    | CycleAborted
    | MarketData
)

ORDER_REPORTS = (
    OrderAck,
    OrderFill,
    OrderReject,
    OrderCancelled,
    CancelRejected,
    OrderExpired,
    OrderUnknown,
    OrderStatusReport,
)

PRIORITY: dict[type, Priority] = {
    SystemFault: Priority.SYSTEM,
    CodeChanged: Priority.SYSTEM,
    OrderFill: Priority.FILL,
    OrderReject: Priority.REJECT,
    OrderAck: Priority.ORDER,
    OrderCancelled: Priority.ORDER,
    CancelRejected: Priority.ORDER,
    OrderExpired: Priority.ORDER,
    OrderUnknown: Priority.ORDER,
    OrderStatusReport: Priority.ORDER,
    BrokerSnapshot: Priority.ORDER,
    ControlRequest: Priority.ORDER,
    PredictionsReady: Priority.PREDICTIONS,
    TargetsReady: Priority.PREDICTIONS,
    BarBatch: Priority.BARS,
    ScheduledTrigger: Priority.TRIGGER,
    CycleAborted: Priority.TRIGGER,
    MarketData: Priority.MARKET_DATA,
}


@quick_init
@dataclass(frozen=True, slots=True)
class Stamped:
    """An event as it left the queue: its sequence number and the core's now."""

    seq: int
    t_ns: int
    event: Event
