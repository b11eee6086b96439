"""What a backtest earned, by session and by round trip, from its files; and t statistics of that.

Sessions are the unit of all statistics: trades of one session share the market's factor and their entry times, sessions
of a simulated market share nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt
from e2e.must_pass_runs import Result, World
from independent.recompute import moment, read_fills, rows_of

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BPS = 1e4


@dataclass(frozen=True)
class Trips:
    """Closed round trips: session number of the exit, side (+1, -1), P&L before and after costs, notional; each (n,).

    `unit_bps` is what one unit had earned before costs: side · ln(open of the last fill's bar / open of the first's).
    P&L over notional would not do for statistics: a loser that was added to has a larger notional than a winner that
    was left early, so that its mean is above zero where nothing is earned.
    """

    session: IntArray
    side: FloatArray
    gross_usd: FloatArray
    net_usd: FloatArray
    notional_usd: FloatArray
    unit_bps: FloatArray


def trips(result: Result) -> Trips:
    """Return the round trips of trades.csv, with the opens of the bars in which they began and ended."""
    rows = list(rows_of(result.out / "trades.csv"))
    panel = result.world.panel
    side = np.array([1.0 if row["side"] == "long" else -1.0 for row in rows])
    column = np.array([panel.symbols.index(row["symbol"]) for row in rows], dtype=np.intp)
    entry, leave = (
        np.array([bar_of(result.world, moment(row[f"{end}_time_utc"])) for row in rows], dtype=np.intp)
        for end in ("entry", "exit")
    )
    return Trips(
        session=panel.session_index[leave] - result.world.training_sessions,
        side=side,
        gross_usd=np.array([float(row["gross_pnl_usd"]) for row in rows]),
        net_usd=np.array([float(row["net_pnl_usd"]) for row in rows]),
        notional_usd=np.array([float(row["entry_notional_usd"]) for row in rows]),
        unit_bps=side * np.log(panel.open[leave, column] / panel.open[entry, column]) * BPS,
    )


def pooled_trips(results: Sequence[Result]) -> Trips:
    """Return the round trips of several backtests, no session shared."""
    every = [trips(result) for result in results]
    shift = max(len(result.world.dates) for result in results)
    apart = [replace(part, session=part.session + number * shift) for number, part in enumerate(every)]
    return Trips(
        **{field.name: np.concatenate([getattr(part, field.name) for part in apart]) for field in fields(Trips)}
    )


def gross_by_session(result: Result) -> FloatArray:
    """Return what the account would have gained in each session had every fill been at its bar's open, without fees."""
    return net_by_session(result) + costs_by_session(result)


def costs_by_session(result: Result) -> FloatArray:
    """Return fees, spread and impact of the fills of each session: each fill against its bar's open, and its fee."""
    world, panel = result.world, result.world.panel
    paid = np.zeros(len(world.dates))
    for fill in read_fills(result.out / "fills.csv"):
        row, column = bar_of(world, fill.time), panel.symbols.index(fill.symbol)
        paid[panel.session_index[row]] += float(fill.signed) * (float(fill.price) - panel.open[row, column])
        paid[panel.session_index[row]] += float(fill.fee)
    return paid[world.training_sessions :]


def bar_of(world: World, start: datetime) -> int:
    """Return the row of the bar that begins at a time."""
    end_ns = round(start.timestamp()) * 10**9 + world.panel.interval_ns
    row = int(np.searchsorted(world.panel.bar_end_ns, end_ns))
    assert world.panel.bar_end_ns[row] == end_ns
    return row


def net_by_session(result: Result) -> FloatArray:
    """Return what the account gained in each session, from the last row that equity.csv has of it."""
    closing = {row["time_utc"][:10]: float(row["equity_usd"]) for row in rows_of(result.out / "equity.csv")}
    return np.diff([result.summary["start_equity_usd"], *(closing[date] for date in result.world.traded_sessions)])


def daily_t(result: Result) -> float:
    """Return the t statistic of the mean session return, from equity.csv."""
    start = float(result.summary["start_equity_usd"])
    closing = start + np.cumsum(net_by_session(result))
    return mean_t(closing / np.concatenate(([start], closing[:-1])) - 1.0)


def noise_by_session(result: Result) -> FloatArray:
    """Return what the positions had earned from the market's noise alone, before costs, by session, USD.

    The market of the same seed without an edge has the same noise to the last draw. Between one fill of a symbol and
    its next the position is valued at the traded market's open of the first, and moves as that other market does. No
    decision that looks only backward can earn anything of this.
    """
    world, flat = result.world, World(result.world.seed, edge=0.0)
    panel, noise = world.panel, flat.panel
    held: dict[str, tuple[float, int]] = {}  # quantity and row of the last fill
    earned = np.zeros(len(world.dates))
    for fill in read_fills(result.out / "fills.csv"):
        row, column = bar_of(world, fill.time), panel.symbols.index(fill.symbol)
        quantity, before = held.get(fill.symbol, (0.0, row))
        move = noise.open[row, column] / noise.open[before, column] - 1.0
        earned[panel.session_index[row]] += quantity * panel.open[before, column] * move
        held[fill.symbol] = (quantity + float(fill.signed), row)
    return earned[world.training_sessions :]


def entries(result: Result, *, filled: bool = False) -> int:
    """Return how many entries were ordered; `filled`: of which anything was executed."""
    rows = [row for row in rows_of(result.out / "orders.csv") if row["leg"] == "entry"]
    return sum(float(row["filled_quantity"]) > 0 for row in rows) if filled else len(rows)


def symbol_sessions(result: Result) -> int:
    """Return symbols times sessions traded."""
    return len(result.world.panel.symbols) * len(result.world.traded_sessions)


def carried_overnight(result: Result) -> list[tuple[str, str]]:
    """Return symbol and entry time of the round trips that outlived a session without an exit that expired unfilled.

    A halt that lasts to the close, or a last bar of little volume, leaves something behind; nothing else may.
    """
    rows = rows_of(result.out / "orders.csv")
    expired = {
        (row["symbol"], row["time_utc"][:10]) for row in rows if (row["leg"], row["status"]) == ("exit", "expired")
    }
    dates, carried = result.world.dates, []
    for trip in rows_of(result.out / "trades.csv"):
        nights = dates[dates.index(trip["entry_time_utc"][:10]) : dates.index(trip["exit_time_utc"][:10])]
        if any((trip["symbol"], date) not in expired for date in nights):
            carried.append((trip["symbol"], trip["entry_time_utc"]))
    return carried


def mean_t(values: FloatArray) -> float:
    """Return mean / (sd / √n)."""
    return float(values.mean() / (values.std(ddof=1) / np.sqrt(values.size)))


def total_se(by_session_usd: FloatArray) -> float:
    """Return the standard error of a sum of independent sessions: sd · √n."""
    return float(by_session_usd.std(ddof=1) * np.sqrt(by_session_usd.size))


def clustered_se(values: FloatArray, cluster: IntArray) -> float:
    """Return the standard error of the mean with sums of residuals per cluster as the units (Liang & Zeger 1986).

    se² = G/(G-1) · Σ_g (Σ_{i in g} (v_i - mean))² / n², G the clusters that have a value.
    """
    sums = np.bincount(cluster, weights=values - values.mean())
    n_clusters = np.unique(cluster).size
    return float(np.sqrt(n_clusters / (n_clusters - 1) * np.sum(sums**2)) / values.size)


def clustered_t(values: FloatArray, cluster: IntArray) -> float:
    """Return mean / clustered standard error."""
    return float(values.mean()) / clustered_se(values, cluster)
