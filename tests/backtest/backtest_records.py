"""A synthetic record: random decisions, orders and fills whose account is computed here, bar by bar."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

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
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.types import Action, Leg, Session, Side
from LIVE_TRADING.common.units import NS_PER_DAY, NS_PER_MINUTE, iso_utc

STAGES = ("prediction", "blending", "arbitration", "barrier_gate", "spread_gate", "sizing", "risk")
FAMILIES = ("lightgbm", "ridge")
HORIZONS = ("5m", "15m", "60m", "1d")
START_CASH = Decimal("100000")
FIRST_OPEN_NS = 1_760_621_400 * 1_000_000_000  # 2025-10-16 13:30 UTC
INTERVAL_NS = 5 * NS_PER_MINUTE
SPREAD_BPS = 2.0
CENT = Decimal("0.0001")


@dataclass(frozen=True)
class Synthetic:
    """The record and the bars behind it, opens and closes of shape (B, N)."""

    record: BacktestRecord
    opens: np.ndarray
    closes: np.ndarray

    def write_bars(self, path):
        """Write the bars as CSV."""
        lines = ["symbol,timestamp,open,high,low,close,volume"]
        for column, symbol in enumerate(self.record.scope.symbols):
            for row, end_ns in enumerate(self.record.equity.time_ns.tolist()):
                prices = sorted((float(self.opens[row, column]), float(self.closes[row, column])))
                opened, close = float(self.opens[row, column]), float(self.closes[row, column])
                start = iso_utc(end_ns - INTERVAL_NS)
                lines.append(f"{symbol},{start},{opened!r},{prices[1]!r},{prices[0]!r},{close!r},1000")
        path.write_text("\n".join(lines) + "\n")
        return path


def sessions_of(count, bars, interval_ns=INTERVAL_NS):
    return tuple(
        Session(
            index,
            str(np.datetime64("2025-10-16") + index),
            FIRST_OPEN_NS + index * NS_PER_DAY,
            FIRST_OPEN_NS + index * NS_PER_DAY + bars * interval_ns,
        )
        for index in range(count)
    )


def synthetic(
    *, seed=1, n_symbols=6, n_sessions=5, bars=24, trade_rate=0.06, edge_bps=0.0, flatten=True, known_spread=True
) -> Synthetic:
    rng = np.random.default_rng(seed)
    symbols = tuple(f"S{number:02d}" for number in range(n_symbols))
    sessions = sessions_of(n_sessions, bars)
    ends = np.array([s.open_ns + (b + 1) * INTERVAL_NS for s in sessions for b in range(bars)], dtype=np.int64)
    n_bars = len(ends)
    moves = rng.normal(0, 12e-4, (n_bars, n_symbols)).cumsum(axis=0)
    closes = np.round(80 * np.exp(moves), 2)
    reason, action, horizon = _codes(rng, n_bars, n_symbols, trade_rate)
    opens = np.empty_like(closes)
    book = {symbol: Decimal(0) for symbol in symbols}
    cash, fills, orders, rejections = START_CASH, [], [], []
    cash_column, positions_column, gross_column = [], [], []
    pending: list[tuple[OrderRow, str]] = []
    for row, end_ns in enumerate(ends.tolist()):
        opens[row] = np.round(closes[row] * (1 + rng.normal(0, 1e-4, n_symbols)), 2)
        for order, name in pending:
            opened = Decimal(repr(float(opens[row, symbols.index(order.symbol)])))
            paid = Decimal(str(SPREAD_BPS / 2 + abs(rng.normal(1.0, 0.5)))) / 10_000
            price = (opened * (1 + order.side.sign * paid)).quantize(CENT)
            parts = (
                [order.quantity] if rng.random() > 0.2 else [order.quantity // 3, order.quantity - order.quantity // 3]
            )
            for quantity in (part for part in parts if part):
                fee = (quantity * price * Decimal("0.00005")).quantize(CENT)
                fills.append(
                    FillRow(
                        time_ns=end_ns - INTERVAL_NS,
                        symbol=order.symbol,
                        leg=order.leg,
                        side=order.side,
                        quantity=quantity,
                        price=price,
                        fee=fee,
                        currency="USD",
                        order_id=order.order_id,
                        execution_id=f"x{len(fills):06d}",
                        mid_price=opened,
                        horizon=name,
                        half_spread_bps=SPREAD_BPS / 2 if known_spread else float("nan"),
                    )
                )
                book[order.symbol] += order.side.sign * quantity
                cash -= order.side.sign * quantity * price + fee
        pending = []
        marks = {symbol: Decimal(repr(float(closes[row, column]))) for column, symbol in enumerate(symbols)}
        values = [book[symbol] * marks[symbol] for symbol in symbols]
        cash_column.append(cash)
        positions_column.append(sum(values, Decimal(0)))
        gross_column.append(float(sum(abs(value) for value in values)))
        last_fillable = row % bars < bars - 1
        for column, symbol in enumerate(symbols):
            wanted = _wanted(rng, reason[row, :, column], book[symbol])
            if row == n_bars - 2 and flatten:
                wanted = (Leg.EXIT, -book[symbol]) if book[symbol] else None
            if wanted is None or not last_fillable:
                if reason[row, -1, column] == Reason.ORDERED:
                    reason[row, -1, column] = Reason.SESSION_CLOSED
                continue
            if rng.random() < 0.02 and wanted[0] is Leg.ENTRY:
                reason[row, -1, column] = Reason.REJECTED
                side = Side.BUY if wanted[1] > 0 else Side.SELL
                message = "position would be 21.0 % of equity, limit 20 %"
                rejections.append(
                    RejectionRow(end_ns, symbol, Leg.ENTRY, side, abs(wanted[1]), "max_position", message)
                )
                continue
            reason[row, -1, column] = Reason.ORDERED
            action[row, column] = Action.ENTER if wanted[0] is Leg.ENTRY else Action.EXIT
            drift = int(np.sign(wanted[1])) * edge_bps * 1e-4
            closes[row + 2 :, column] = np.round(closes[row + 2 :, column] * (1 + drift * (wanted[0] is Leg.ENTRY)), 2)
            row_horizon = int(rng.integers(len(HORIZONS)))
            horizon[row, column] = row_horizon
            orders.append(_order(len(orders), end_ns, symbol, wanted))
            pending.append((orders[-1], HORIZONS[row_horizon]))
    record = BacktestRecord(
        identity=RunIdentity("eq5m-demo", "d" * 64, "t" * 64, "f" * 64, "r" * 64, "c" * 64, "a" * 64, "0.1.0"),
        scope=RunScope(symbols, sessions, "XNYS", 252, INTERVAL_NS, START_CASH, True, "America/New_York", FAMILIES),
        effort=RunEffort(n_bars, 780, n_bars * n_symbols, 4.2, 2.9, 412.0),
        decisions=_decisions(rng, ends, reason, action, horizon),
        equity=EquityCurve(
            ends,
            cash_column,
            positions_column,
            [c + p for c, p in zip(cash_column, positions_column, strict=True)],
            np.array(gross_column),
        ),
        orders=orders,
        rejections=rejections,
        fills=fills,
        trades=[],
        marks=marks,
    )
    trades, _ = round_trips(fills, orders, record.decisions, symbols, _beliefs(orders))
    object.__setattr__(record, "trades", trades)
    lines = {name: PriceLine(ends, closes[:, symbols.index(name)]) for name in most_traded(trades)}
    object.__setattr__(record, "prices", lines)
    return Synthetic(record, opens, closes)


def _beliefs(orders):
    """What the pipeline believed of the entries: cost 4.5 bps in three parts, shares of the families that sum to 1."""
    rng = np.random.default_rng(99)
    beliefs = {}
    for order in orders:
        if order.leg is Leg.ENTRY:
            share = float(np.round(rng.uniform(-0.3, 1.3), 3))
            beliefs[order.order_id] = EntryBelief(order.side.sign * 6.0, 4.5, 2.0, 1.5, 1.0, (share, 1.0 - share))
    return beliefs


def _codes(rng, n_bars, n_symbols, trade_rate):
    shape = (n_bars, n_symbols)
    reason = np.zeros((n_bars, len(STAGES), n_symbols), dtype=np.int16)
    reason[:, 0] = np.where(rng.random(shape) < 0.03, Reason.Z_WARMING_UP, Reason.OK)
    reason[:, 1] = np.where(rng.random(shape) < 0.05, Reason.NO_POSITIVE_WEIGHT, Reason.OK)
    enters = rng.random(shape) < trade_rate
    other = rng.choice([Reason.BELOW_COST] * 30 + [Reason.COST_UNKNOWN, Reason.SESSION_CLOSING, Reason.HOLD], shape)
    reason[:, 2] = np.where(enters, Reason.ENTRY, other)
    reason[:, 3] = Reason.GATE_OFF
    reason[:, 4] = np.where(rng.random(shape) < 0.2, Reason.SPREAD_TOO_WIDE, Reason.OK)
    small = rng.choice([Reason.BELOW_MIN_ENTRY, Reason.BELOW_LOT], shape)
    reason[:, 5] = np.where(rng.random(shape) < 0.3, small, Reason.SIZED)
    reason[:, 6] = Reason.OK
    return reason, np.zeros(shape, dtype=np.int16), np.full(shape, -1, dtype=np.int16)


def _wanted(rng, codes, held):
    if held:
        return (Leg.EXIT, -held) if rng.random() < 0.1 else None
    passes = codes[2] == Reason.ENTRY and codes[0] == codes[1] == codes[4] == Reason.OK and codes[5] == Reason.SIZED
    if not passes:
        return None
    return Leg.ENTRY, Decimal(int(rng.integers(5, 60)) * (1 if rng.random() < 0.5 else -1))


def _order(number, end_ns, symbol, wanted):
    leg, signed = wanted
    return OrderRow(
        order_id=f"lt-{number:06d}",
        order_number=number,
        time_ns=end_ns,
        symbol=symbol,
        leg=leg,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(signed),
        order_type="market",
        time_in_force="day",
        status="filled",
        filled_quantity=abs(signed),
        avg_price=None,
        reason=REASON_TEXT[Reason.ENTRY if leg is Leg.ENTRY else Reason.EXIT_ELAPSED],
    )


def _decisions(rng, ends, reason, action, horizon):
    shape = horizon.shape
    figures = {name: rng.normal(0, 3, shape) for name in ("alpha_bps", "net_bps", "target_weight", "target_shares")}
    return Decisions(
        time_ns=ends,
        stages=STAGES,
        horizons=HORIZONS,
        reason=reason,
        horizon=horizon,
        side=np.sign(figures["alpha_bps"]).astype(np.int16),
        action=action,
        cost_bps=np.full(shape, 4.5),
        **figures,
    )
