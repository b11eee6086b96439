"""The core's state: one frozen record, replaced as a whole after each event; a failure leaves the one before."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.common.types import BarBatch, Session, record_dict
from LIVE_TRADING.engine.digest import RunDigest
from LIVE_TRADING.engine.ledger import ClosedTrade, Ledger
from LIVE_TRADING.engine.market import MarketMemory, MarketView
from LIVE_TRADING.engine.orders import OrderBook
from LIVE_TRADING.engine.quotes import Quotes
from LIVE_TRADING.learning import BanditState, HorizonOutcomes, WaitingEntry
from LIVE_TRADING.risk import RiskMemory

TRADE_HISTORY = 1000


@dataclass(frozen=True, slots=True, eq=False)
class PendingCycle:
    """A cycle that waits for its predictions, with what was known of the market at its trigger."""

    cycle_time_ns: int
    view: MarketView
    session: Session
    session_number: int
    slot: int
    n_bars_session: int


@dataclass(frozen=True, slots=True)
class ReconcileMemory:
    """Differences from the venue's book, in words: `seen` once, `confirmed` by a second look, and those an operator
    has accepted. And orders of others with our prefix, by id: `foreign`, those to be let `alone`, and whether an
    operator has said that they are to be cancelled at the next look.
    """

    seen: str = ""
    confirmed: str = ""
    ignored: str = ""
    adopted: str = ""
    foreign: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    adopts_foreign: bool = False


@dataclass(frozen=True, eq=False)  # without slots, as `replaced` wants it
class CoreState:
    """Everything the core knows.

    `opened_ns` is the open of the last session that was opened, `collected` holds bars whose cycle has not been
    triggered, by bar end, `matured` the trades that the bandit has not learned from; `reports` counts what was said of
    orders; `code` is the version that decides, "" for that of the run's start. With `learning.mode: hedge`, `awaited`
    holds the entries of which some horizon has not ended, `settled` what is known and not yet learned.
    """

    ledger: Ledger
    orders: OrderBook
    risk: RiskMemory
    bandit: BanditState
    market: MarketMemory
    quotes: Quotes
    digest: RunDigest
    session: Session | None = None
    session_number: int = -1
    opened_ns: int = -1
    cycle_number: int = 0
    order_number: int = 0
    now_ns: int = 0
    pending: PendingCycle | None = None
    collected: tuple[BarBatch, ...] = ()
    matured: tuple[ClosedTrade, ...] = ()
    awaited: tuple[WaitingEntry, ...] = ()
    settled: tuple[HorizonOutcomes, ...] = ()
    trades: tuple[ClosedTrade, ...] = ()
    last_order_ns: dict[str, int] = field(default_factory=dict)
    equity: Decimal = Decimal(0)
    reports: int = 0
    reconcile: ReconcileMemory = ReconcileMemory()
    code: str = ""

    @property
    def book_version(self) -> int:
        """Return a number that every report and every order sent moves."""
        return self.reports + self.order_number

    def cycle_answered(self, market: MarketMemory) -> CoreState:
        """Return the state after the answer that a cycle waited for; it counts as decided."""
        return replaced(self, pending=None, cycle_number=self.cycle_number + 1, market=market)

    def bars_of(self, bar_end_ns: int) -> BarBatch | None:
        """Return the bars that have come for a bar end whose cycle has not been triggered."""
        return next((batch for batch in self.collected if batch.bar_end_ns == bar_end_ns), None)


@dataclass(frozen=True, slots=True)
class EngineState:
    """The checkpoint as an operator reads it (P18): `state/engine_state.json`."""

    schema: int
    journal_seq: int
    run_id: str
    cycle_number: int
    portfolio_value: Decimal
    cash: dict[str, Decimal]
    positions: dict[str, Decimal]
    open_orders: dict[str, str]
    trade_history: list[dict[str, Any]]
    risk: dict[str, Any]
    bandit: dict[str, Any]
    last_update_ns: int
    run_digest: str
    decision_digest: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields in declared order."""
        return record_dict(self)
