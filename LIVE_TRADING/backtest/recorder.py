"""Listens to a core and keeps what the files of a backtest are made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from LIVE_TRADING.backtest.record import (
    BacktestRecord,
    Decisions,
    EntryBelief,
    EquityCurve,
    FillRow,
    OrderRow,
    PriceLine,
    RejectionRow,
    RunEffort,
    RunIdentity,
    RunScope,
)
from LIVE_TRADING.backtest.trades import most_traded, round_trips
from LIVE_TRADING.common.events import OrderFill, RunStarted, Stamped
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.types import BarBatch, Leg, Session
from LIVE_TRADING.common.units import BPS
from LIVE_TRADING.data.calendars import calendar_zone
from LIVE_TRADING.engine.book import mark
from LIVE_TRADING.engine.commands import AccountMarked, Command, CycleDecided, SubmitOrder
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.cycle import STAGES, CycleResult, DecisionTrace
from LIVE_TRADING.engine.orders import OrderRecord
from LIVE_TRADING.engine.quotes import Quotes
from LIVE_TRADING.engine.state import CoreState


@dataclass(frozen=True, slots=True)
class Effort:
    """What the shell measured."""

    bar_events: int
    wall_s: float
    inference_s: float
    peak_rss_mb: float


class Recorder:
    """An observer of the driver; `record` gives the finished backtest."""

    def __init__(self, core: EngineCore, spread_multiple: float = 1.0) -> None:
        self._core = core
        self._spread_multiple = spread_multiple
        self._column = {symbol: column for column, symbol in enumerate(core.run.symbols)}
        self._run = core.run
        self._fills: list[FillRow] = []
        self._submitted: list[SubmitOrder] = []
        self._final: dict[str, OrderRecord] = {}
        self._rejections: list[RejectionRow] = []
        self._marks: list[AccountMarked] = []
        self._cycles: list[_CycleRow] = []
        self._beliefs: dict[str, EntryBelief] = {}
        self._warmup = 0
        self._closing = Quotes.empty(len(core.run.symbols))  # of bars alone: what the simulated venue charges by

    def __call__(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        """Take an event and its commands."""
        if isinstance(stamped.event, OrderFill):
            self._fills.append(self._fill_row(stamped.event))
        elif isinstance(stamped.event, BarBatch):
            self._closing = self._closing.with_bars(stamped.event)
        for command in commands:
            if isinstance(command, CycleDecided):
                self._cycle(command.result)
            elif isinstance(command, AccountMarked):
                self._marks.append(command)
            elif isinstance(command, SubmitOrder):
                self._submitted.append(command)
        order_id = getattr(stamped.event, "order_id", None)
        if order_id is not None and (found := self._core.state.orders.find(order_id)) is not None:
            self._final[order_id] = found

    def _fill_row(self, fill: OrderFill) -> FillRow:
        record = self._core.state.orders.find(fill.order_id)
        horizon = ""
        if record is not None and record.ticket is not None:
            horizon = self._run.horizons[record.ticket.horizon]
        reference = fill.reference_price if fill.reference_price is not None else fill.fill_price
        return FillRow(
            time_ns=fill.timestamp_ns,
            symbol=fill.symbol,
            leg=record.order.leg if record is not None else Leg.FLATTEN,
            side=fill.side,
            quantity=fill.fill_amount,
            price=fill.fill_price,
            fee=fill.commission,
            currency=fill.currency,
            order_id=fill.order_id,
            execution_id=fill.execution_id,
            mid_price=reference,
            horizon=horizon,
            half_spread_bps=self._half_spread_bps(fill.symbol),
        )

    def _half_spread_bps(self, symbol: str) -> float:
        """Return what half the spread cost the fill in hand: the quote is that of the bar before, as at the venue."""
        column, quotes = self._column.get(symbol), self._closing
        if column is None:
            return float("nan")
        bid, ask = float(quotes.bid[column]), float(quotes.ask[column])
        return self._spread_multiple * (ask - bid) / (ask + bid) * BPS

    def _cycle(self, result: CycleResult) -> None:
        if result.trace is None:
            self._warmup += 1
            return
        self._cycles.append(_CycleRow.of(result))
        for order in result.orders:
            column = self._column[order.symbol]
            # a rule's entry has no horizon: nothing was forecast, so nothing is believed
            if order.leg is Leg.ENTRY and result.trace.arbitration.horizon[column] >= 0:
                self._beliefs[order.client_order_id] = self._belief(result.trace, column)
        self._rejections += [
            RejectionRow(
                time_ns=result.scheduled_time_ns,
                symbol=no.symbol,
                leg=no.leg,
                side=no.side,
                quantity=no.quantity,
                rule_id=no.rule_id,
                message=no.message,
            )
            for no in result.rejections
        ]

    def _belief(self, trace: DecisionTrace, column: int) -> EntryBelief:
        """Return what is believed of an entry that the cycle in hand decided."""
        row = int(trace.arbitration.horizon[column])
        parts = trace.blend.weights[row] * np.nan_to_num(trace.predictions.calibrated[row, :, column], nan=0.0)
        cost_bps = float(trace.arbitration.cost_bps[column])
        cost_model = self._core.parts.stages.cost_model
        return EntryBelief(
            float(trace.blend.alpha_bps[row, column]),
            cost_bps,
            *cost_model.parts_bps(cost_bps, float(trace.spread.spread_bps[column])),
            family_shares=tuple((parts / parts.sum()).tolist()),
        )

    def record(
        self,
        sessions: tuple[Session, ...],
        effort: Effort,
        quotes_estimated: bool,
        notes: tuple[str, ...] = (),
        config: Mapping[str, Any] | None = None,
        closes: Callable[[str], PriceLine] | None = None,
    ) -> BacktestRecord:
        """Return everything that was recorded, in the form of the output files.

        `config` holds all settings by dotted key, `closes` gives the bars of a symbol whose trades are to be drawn.
        """
        run, state = self._run, self._core.state
        decisions = self._decisions()
        orders = [self._order_row(command) for command in self._submitted]
        trades, _ = round_trips(self._fills, orders, decisions, run.symbols, self._beliefs)
        drawn = most_traded(trades) if closes is not None else ()
        digests = state.digest.texts()
        return BacktestRecord(
            identity=RunIdentity(
                run_id=run.run_id,
                config_hash=run.config_hash,
                data_hash=run.data_hash,
                code_version=run.code_version,
                models=run.model_hashes,
                **digests,
            ),
            scope=RunScope(
                symbols=run.symbols,
                sessions=tuple(s for s in sessions if s.open_ns >= run.warmup_until_ns),
                calendar=run.calendar,
                sessions_per_year=365 if run.calendar == "24/7" else 252,
                interval_ns=run.interval_ns,
                start_equity_usd=Decimal(run.initial_cash),
                quotes_estimated=quotes_estimated,
                timezone=calendar_zone(run.calendar),
                families=run.families,
            ),
            effort=RunEffort(
                cycles=len(self._cycles),
                warmup_cycles=self._warmup,
                bar_events=effort.bar_events,
                wall_s=effort.wall_s,
                inference_s=effort.inference_s,
                peak_rss_mb=effort.peak_rss_mb,
            ),
            decisions=decisions,
            equity=EquityCurve(
                np.array([marked.time_ns for marked in self._marks], dtype=np.int64),
                [marked.cash for marked in self._marks],
                [marked.positions_value for marked in self._marks],
                [marked.equity for marked in self._marks],
                np.array([marked.gross * float(marked.equity) for marked in self._marks]),
            ),
            orders=orders,
            rejections=self._rejections,
            fills=self._fills,
            trades=trades,
            marks=_marks(state, run),
            notes=notes,
            config=config or {},
            prices={} if closes is None else {symbol: closes(symbol) for symbol in drawn},
        )

    def _order_row(self, command: SubmitOrder) -> OrderRow:
        order = command.order
        final = self._final.get(order.client_order_id)
        filled = final.filled if final is not None else Decimal(0)
        reason = REASON_TEXT[Reason(command.reason)]
        return OrderRow(
            order_id=order.client_order_id,
            order_number=order.order_number,
            time_ns=order.decision_time_ns,
            symbol=order.symbol,
            leg=order.leg,
            side=order.side,
            quantity=order.quantity,
            order_type=order.order_type,
            time_in_force=order.time_in_force,
            status=final.status.value if final is not None else "submitted",
            filled_quantity=filled,
            avg_price=final.filled_notional / filled if final is not None and filled else None,
            reason=f"{reason}: {final.venue_reason}" if final is not None and final.venue_reason else reason,
        )

    def _decisions(self) -> Decisions:
        n_symbols = len(self._run.symbols)
        rows = self._cycles

        def stacked(name: str, shape: tuple[int, ...], dtype: type) -> np.ndarray:
            if not rows:
                return np.zeros((0, *shape), dtype=dtype)
            return np.stack([getattr(row, name) for row in rows]).astype(dtype)

        per_symbol = (n_symbols,)
        floats = ("alpha_bps", "cost_bps", "net_bps", "target_weight", "target_shares")
        return Decisions(
            time_ns=np.array([row.time_ns for row in rows], dtype=np.int64),
            stages=STAGES,
            horizons=self._run.horizons,
            reason=stacked("reasons", (len(STAGES), n_symbols), np.int16),
            **{name: stacked(name, per_symbol, np.int16) for name in ("horizon", "side", "action")},
            **{name: stacked(name, per_symbol, np.float64) for name in floats},
        )


@dataclass(frozen=True, slots=True, eq=False)
class _CycleRow:
    """What is kept of a cycle: one row of every column of `Decisions`."""

    time_ns: int
    reasons: np.ndarray
    horizon: np.ndarray
    side: np.ndarray
    action: np.ndarray
    alpha_bps: np.ndarray
    cost_bps: np.ndarray
    net_bps: np.ndarray
    target_weight: np.ndarray
    target_shares: np.ndarray

    @classmethod
    def of(cls, result: CycleResult) -> _CycleRow:
        trace = result.trace
        if trace is None:
            raise ValueError("a warm-up cycle decides nothing")
        chosen = trace.arbitration
        rows = np.maximum(chosen.horizon, 0)
        alpha = trace.blend.alpha_bps[rows, np.arange(len(rows))]
        return cls(
            result.scheduled_time_ns,
            trace.reasons,
            chosen.horizon,
            chosen.side,
            chosen.action,
            np.where(chosen.horizon >= 0, alpha, np.nan),
            chosen.cost_bps,
            chosen.chosen_net_bps,
            trace.sizing.target_weight,
            trace.sizing.target_shares,
        )


def _marks(state: CoreState, run: RunStarted) -> dict[str, Decimal]:
    columns = {symbol: column for column, symbol in enumerate(run.symbols)}
    return {symbol: mark(held, state.quotes, columns) for symbol, held in sorted(state.ledger.positions.items())}
