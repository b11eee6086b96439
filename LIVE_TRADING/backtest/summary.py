"""The figures of a run: its account, its performance, its costs, and `summary.json` made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from LIVE_TRADING.backtest import metrics, sharpe_inference
from LIVE_TRADING.backtest.funnel import Funnel, decision_funnel, reasons_by_stage
from LIVE_TRADING.backtest.record import LONG, SHORT, BacktestRecord, FillRow, TradeRow
from LIVE_TRADING.backtest.trades import round_trips
from LIVE_TRADING.common.reasons import REASON_TEXT
from LIVE_TRADING.common.types import FloatArray, IntArray, record_dict
from LIVE_TRADING.common.units import BPS, iso_utc, money

SUMMARY_FORMAT = 2
FLOAT_QUANTUM = Decimal("0.000001")  # a float64 amount of the equity curve is exact to this, and no further
_ZERO = Decimal(0)
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Account:
    """Where the money went: gross_pnl = net_pnl + fees + spread_and_slippage, exactly.

    net is end less start, open positions at their mark; gross is what the same fills had earned at their bars' opens.
    `spread_usd` and `impact_usd` divide spread_and_slippage, NaN where a fill does not know its spread.
    """

    start_equity_usd: Decimal
    end_equity_usd: Decimal
    net_pnl_usd: Decimal
    fees_usd: Decimal
    spread_and_slippage_usd: Decimal
    spread_usd: float
    impact_usd: float

    @property
    def gross_pnl_usd(self) -> Decimal:
        """Return the P&L before all costs."""
        return self.net_pnl_usd + self.fees_usd + self.spread_and_slippage_usd


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of `metrics`, from session returns unless said."""

    sharpe_ann: float
    sharpe_se_ann: float
    sortino_ann: float
    calmar: float
    max_drawdown_frac: float
    max_drawdown_bar_frac: float  # from the equity at every bar end
    volatility_ann: float
    cagr: float
    daily_t: float
    psr: float  # probability that the true Sharpe ratio is above 0
    min_track_record_sessions: float  # to show that at 95 %
    skewness: float
    kurtosis: float  # not in excess: a normal's is 3
    value_at_risk_day: float
    expected_shortfall_day: float
    hit_rate: float  # by round trip
    profit_factor: float  # by round trip
    holding_mean_s: float  # by round trip
    holding_median_s: float  # by round trip
    turnover_day: float
    net_exposure_frac: float  # by bar end
    gross_exposure_frac: float  # by bar end, NaN where it was not kept
    time_in_market_frac: float  # by bar end, NaN where gross exposure was not kept
    capacity_usd: float


@dataclass(frozen=True, slots=True)
class CostPart:
    """One component of the costs: what was believed and what was paid, summed over the trades that know both."""

    name: str
    modelled_usd: float
    paid_usd: float


@dataclass(frozen=True, slots=True)
class CostComparison:
    """Closed round trips whose cost was believed beforehand: what was believed and what was paid.

    `parts` are spread, impact (the belief holds the timing risk) and fees, of the `part_trades` trades that know them.
    """

    trades: int
    notional_usd: float
    modelled_usd: float
    paid_usd: float
    part_trades: int = 0
    parts: tuple[CostPart, ...] = ()

    @property
    def modelled_bps(self) -> float:
        """Return the believed cost, bps of the entry notional."""
        return self.modelled_usd / self.notional_usd * BPS if self.notional_usd else _NAN

    @property
    def paid_bps(self) -> float:
        """Return the paid cost, bps of the entry notional."""
        return self.paid_usd / self.notional_usd * BPS if self.notional_usd else _NAN


@dataclass(frozen=True, slots=True, eq=False)
class Figures:
    """Everything that the summary and the report say in numbers."""

    account: Account
    performance: Performance
    costs: CostComparison
    funnel: Funnel
    closing_equity: FloatArray  # (sessions,)
    returns: FloatArray  # (sessions,)


def figures(record: BacktestRecord) -> Figures:
    """Return all figures of a record."""
    start = float(record.scope.start_equity_usd)
    closing = closing_equity(record)
    returns = metrics.session_returns(closing, start)
    books = account(record)
    return Figures(
        account=books,
        performance=performance(record, books, closing, returns),
        costs=cost_comparison(record.trades),
        funnel=decision_funnel(record.decisions, len(record.orders)),
        closing_equity=closing,
        returns=returns,
    )


def account(record: BacktestRecord) -> Account:
    """Return the account of a record, exact where the equity curve is Decimal."""
    start = record.scope.start_equity_usd
    curve = record.equity.equity_usd
    end = exact(curve[-1]) if len(curve) else start
    slippage = sum((fill.slippage_usd for fill in record.fills), _ZERO)
    spread = _spread_usd(record.fills)
    return Account(
        start_equity_usd=start,
        end_equity_usd=end,
        net_pnl_usd=end - start,
        fees_usd=sum((fill.fee for fill in record.fills), _ZERO),
        spread_and_slippage_usd=slippage,
        spread_usd=spread,
        impact_usd=float(slippage) - spread,
    )


def _spread_usd(fills: Sequence[FillRow]) -> float:
    return float(sum(float(fill.quantity * fill.mid_price) * fill.half_spread_bps / BPS for fill in fills))


def performance(record: BacktestRecord, books: Account, closing: FloatArray, returns: FloatArray) -> Performance:
    """Return the performance figures.

    Parameters
    ----------
    closing, returns
        Equity at each session's last bar and its return, shape (sessions,).
    """
    year = record.scope.sessions_per_year
    start = float(record.scope.start_equity_usd)
    equity = np.asarray(record.equity.equity_usd, dtype=np.float64)
    gross = record.equity.gross_usd
    net_pnl = np.array([float(trade.net_pnl_usd) for trade in record.trades])
    entered_ns = np.array([trade.entry_time_ns for trade in record.trades], dtype=np.int64)
    left_ns = np.array([trade.exit_time_ns for trade in record.trades], dtype=np.int64)
    holding_mean_s, holding_median_s = metrics.holding_s(entered_ns, left_ns)
    opening = np.concatenate(([start], closing[:-1])) if len(closing) else closing
    return Performance(
        sharpe_ann=metrics.sharpe_ann(returns, year),
        sharpe_se_ann=metrics.sharpe_se_ann(returns, year),
        sortino_ann=metrics.sortino_ann(returns, year),
        calmar=metrics.calmar(returns, year),
        max_drawdown_frac=metrics.max_drawdown_frac(returns),
        max_drawdown_bar_frac=metrics.max_drawdown_frac(metrics.session_returns(equity, start)),
        volatility_ann=metrics.volatility_ann(returns, year),
        cagr=metrics.cagr(returns, year),
        daily_t=metrics.mean_t(returns),
        psr=sharpe_inference.psr_of_returns(returns),
        min_track_record_sessions=sharpe_inference.min_track_record_of_returns(returns),
        skewness=sharpe_inference.skewness(returns),
        kurtosis=sharpe_inference.kurtosis(returns),
        value_at_risk_day=metrics.value_at_risk(returns),
        expected_shortfall_day=metrics.expected_shortfall(returns),
        hit_rate=metrics.hit_rate(net_pnl),
        profit_factor=metrics.profit_factor(net_pnl),
        holding_mean_s=holding_mean_s,
        holding_median_s=holding_median_s,
        turnover_day=metrics.turnover_day(traded_usd(record), opening),
        net_exposure_frac=metrics.exposure_frac(np.asarray(record.equity.positions_usd, dtype=np.float64), equity),
        gross_exposure_frac=_NAN if gross is None else metrics.exposure_frac(gross, equity),
        time_in_market_frac=_NAN if gross is None or not len(gross) else float(np.mean(gross > 0)),
        capacity_usd=_capacity_usd(books, equity),
    )


def _capacity_usd(books: Account, equity: FloatArray) -> float:
    if not len(equity):
        return _NAN
    spread_and_fees = books.spread_usd + float(books.fees_usd)
    return metrics.capacity_usd(float(equity.mean()), float(books.gross_pnl_usd), spread_and_fees, books.impact_usd)


def closing_equity(record: BacktestRecord) -> FloatArray:
    """Return the equity at each session's last bar, shape (sessions,); a session without a bar keeps the one before."""
    values = np.asarray(record.equity.equity_usd, dtype=np.float64)
    closes = np.array([session.close_ns for session in record.scope.sessions], dtype=np.int64)
    rows = np.searchsorted(record.equity.time_ns, closes, side="right")
    padded = np.concatenate(([float(record.scope.start_equity_usd)], values))
    closing: FloatArray = padded[rows]
    return closing


def traded_usd(record: BacktestRecord) -> FloatArray:
    """Return the value bought plus sold in each session, shape (sessions,)."""
    value = np.array([float(fill.quantity * fill.price) for fill in record.fills])
    times = np.array([fill.time_ns for fill in record.fills], dtype=np.int64)
    # a fill's time is the open of its bar, so the close belongs to the next session
    closes = np.array([session.close_ns for session in record.scope.sessions], dtype=np.int64)
    index = session_index(times, closes)
    inside = index < len(closes)
    traded: FloatArray = np.bincount(index[inside], weights=value[inside], minlength=len(closes)).astype(np.float64)
    return traded


def session_index(fill_times_ns: IntArray, closes_ns: IntArray) -> IntArray:
    """Return the row of the session that each fill falls into; the number of sessions where it is after them all."""
    return np.searchsorted(closes_ns, fill_times_ns, side="right").astype(np.int64)


def cost_comparison(trades: Sequence[TradeRow]) -> CostComparison:
    """Return believed and paid costs over the trades whose belief is known."""
    known = [trade for trade in trades if not np.isnan(trade.cost_model_bps)]
    divided = [trade for trade in known if trade.belief is not None and not np.isnan(trade.spread_usd)]
    return CostComparison(
        trades=len(known),
        notional_usd=float(sum((trade.entry_notional_usd for trade in known), _ZERO)),
        modelled_usd=float(sum(float(trade.entry_notional_usd) * trade.cost_model_bps / BPS for trade in known)),
        paid_usd=float(sum((trade.slippage_usd + trade.fees_usd for trade in known), _ZERO)),
        part_trades=len(divided),
        parts=_cost_parts(divided),
    )


def _cost_parts(trades: Sequence[TradeRow]) -> tuple[CostPart, ...]:
    if not trades:
        return ()
    beliefs = np.array(
        [(t.belief.cost_spread_bps, t.belief.cost_impact_bps, t.belief.cost_fees_bps) for t in trades if t.belief]
    )
    notional = np.array([float(trade.entry_notional_usd) for trade in trades])
    modelled = (beliefs * notional[:, None]).sum(axis=0) / BPS
    spread = sum(trade.spread_usd for trade in trades)
    paid = (
        spread,
        float(sum((trade.slippage_usd for trade in trades), _ZERO)) - spread,
        float(sum((trade.fees_usd for trade in trades), _ZERO)),
    )
    return tuple(
        CostPart(name, float(believed), amount)
        for name, believed, amount in zip(("spread", "impact", "fees"), modelled, paid, strict=True)
    )


def exact(amount: Decimal | float) -> Decimal:
    """Return an amount of the equity curve as Decimal."""
    return amount if isinstance(amount, Decimal) else money(float(amount), FLOAT_QUANTUM)


def summary(record: BacktestRecord, run: Figures) -> dict[str, Any]:
    """Return the contents of summary.json in the order in which it is written; docs/outputs.md explains each key."""
    identity, scope, effort, books = record.identity, record.scope, record.effort, run.account
    return {
        "format": SUMMARY_FORMAT,
        "run_id": identity.run_id,
        "decision_digest": identity.decision_digest,
        "trace_digest": identity.trace_digest,
        "fills_digest": identity.fills_digest,
        "run_digest": identity.run_digest,
        "config_hash": identity.config_hash,
        "data_hash": identity.data_hash,
        "code_version": identity.code_version,
        "calendar": scope.calendar,
        "symbols": len(scope.symbols),
        "sessions": len(scope.sessions),
        "first_session": scope.sessions[0].date if scope.sessions else None,
        "last_session": scope.sessions[-1].date if scope.sessions else None,
        "quotes_estimated": scope.quotes_estimated,
        "cycles": effort.cycles,
        "warmup_cycles": effort.warmup_cycles,
        "bar_events": effort.bar_events,
        "decisions": reasons_by_stage(record.decisions),
        "funnel": _funnel(run.funnel),
        "orders": len(record.orders),
        "rejections": len(record.rejections),
        "fills": len(record.fills),
        "start_equity_usd": books.start_equity_usd,
        "end_equity_usd": books.end_equity_usd,
        "gross_pnl_usd": books.gross_pnl_usd,
        "spread_and_slippage_usd": books.spread_and_slippage_usd,
        "spread_usd": books.spread_usd,
        "impact_usd": books.impact_usd,
        "fees_usd": books.fees_usd,
        "net_pnl_usd": books.net_pnl_usd,
        "long_trades": sum(trade.side == LONG for trade in record.trades),
        "short_trades": sum(trade.side == SHORT for trade in record.trades),
        "open_positions": open_positions(record),
        "costs": {
            "trades": run.costs.trades,
            "modelled_usd": run.costs.modelled_usd,
            "paid_usd": run.costs.paid_usd,
            "modelled_bps": run.costs.modelled_bps,
            "paid_bps": run.costs.paid_bps,
            "part_trades": run.costs.part_trades,
            "parts": {
                part.name: {"modelled_usd": part.modelled_usd, "paid_usd": part.paid_usd} for part in run.costs.parts
            },
        },
        **record_dict(run.performance),
        "wall_s": effort.wall_s,
        "inference_s": effort.inference_s,
        "peak_rss_mb": effort.peak_rss_mb,
    }


def _funnel(funnel: Funnel) -> dict[str, Any]:
    return {
        "symbol_decisions": funnel.total,
        "stages": [
            {
                "stage": stage.stage,
                "entered": stage.entered,
                "passed": stage.passed,
                "stopped": {REASON_TEXT[reason]: count for reason, count in stage.stopped},
            }
            for stage in funnel.stages
        ],
        "ordered": funnel.ordered,
        "cancel_first": funnel.cancel_first,
        "unchanged": funnel.unchanged,
        "sent_between": funnel.sent_between,
    }


def open_positions(record: BacktestRecord) -> list[dict[str, Any]]:
    """Return what is held at the end, by symbol; mark and P&L are null where the record has no mark."""
    held = []
    for trade in round_trips(record.fills)[1]:
        mark = record.marks.get(trade.symbol)
        held.append(
            {
                "symbol": trade.symbol,
                "side": trade.side,
                "quantity": abs(trade.position),
                "entry_time_utc": iso_utc(trade.entry_time_ns),
                "entry_price": trade.entry_price,
                "mark_price": mark,
                "net_pnl_usd": None if mark is None else trade.marked_net_usd(mark),
            }
        )
    return held
