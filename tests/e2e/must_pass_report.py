"""Prints the tables of docs/must-pass.md, from the runs that `make slow` leaves in $MUST_PASS_RUNS.

MUST_PASS_RUNS=FOLDER make slow
.venv/bin/python tests/e2e/must_pass_report.py FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import LIVE_TRADING  # noqa: F401, I001  thread counts are set before numpy is imported
import numpy as np
from e2e import must_pass_figures as figures
from e2e.must_pass_runs import Result, Runs, World

PLANTED_SEEDS = range(1, 11)
FLAT_SEEDS = range(1, 21)


def costs(result: Result) -> float:
    """Return fees, spread and impact, USD."""
    return float(result.summary["fees_usd"] + result.summary["spread_and_slippage_usd"])


def planted_table(results: Sequence[Result]) -> list[str]:
    """Return a row per seed of the market with an edge."""
    lines = [
        "| seed | net USD | daily t | long | short | gross USD | costs USD | costs, bps | of noise USD | t of noise |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for result in results:
        summary, noise = result.summary, figures.noise_by_session(result)
        lines.append(
            f"| {result.world.seed} | {summary['net_pnl_usd']:,.2f} | {figures.daily_t(result):.2f} "
            f"| {summary['long_trades']} | {summary['short_trades']} | {summary['gross_pnl_usd']:,.2f} "
            f"| {costs(result):,.2f} | {summary['costs']['paid_bps']:.2f} "
            f"| {noise.sum():,.2f} | {figures.mean_t(noise):+.2f} |"
        )
    noise = np.concatenate([figures.noise_by_session(result) for result in results])
    gross = sum(result.summary["gross_pnl_usd"] for result in results)
    lines.append("")
    lines.append(
        f"Pooled: gross {gross:,.2f} USD, of it from noise {noise.sum():,.2f} ± {figures.total_se(noise):,.2f}, "
        f"t {figures.mean_t(noise):+.2f} over {noise.size} sessions."
    )
    return lines


def flat_table(forced: Sequence[Result], believing: Sequence[Result]) -> list[str]:
    """Return a row per seed of the market without an edge, and the pooled figures."""
    lines = [
        "| seed | round trips | long | short | gross USD | costs USD | net USD | entries with the belief on |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for made, free in zip(forced, believing, strict=True):
        summary = made.summary
        lines.append(
            f"| {made.world.seed} | {summary['long_trades'] + summary['short_trades']} | {summary['long_trades']} "
            f"| {summary['short_trades']} | {summary['gross_pnl_usd']:,.2f} | {costs(made):,.2f} "
            f"| {summary['net_pnl_usd']:,.2f} | {figures.entries(free)} |"
        )
    closed = figures.pooled_trips(forced)
    gross = np.concatenate([figures.gross_by_session(result) for result in forced])
    net = np.concatenate([figures.net_by_session(result) for result in forced])
    unit, entered = closed.unit_bps, sum(figures.entries(result) for result in believing)
    seen = sum(figures.symbol_sessions(result) for result in believing)
    paid = sum(costs(result) for result in forced)
    return [
        *lines,
        "",
        f"- round trips: {unit.size:,} ({np.count_nonzero(closed.side > 0):,} long, "
        f"{np.count_nonzero(closed.side < 0):,} short) in {gross.size} sessions",
        f"- gross P&L by session: sum {gross.sum():,.2f} ± {figures.total_se(gross):,.2f} USD, "
        f"t {figures.mean_t(gross):+.2f}",
        f"- by round trip, USD, clustered by session: t {figures.clustered_t(closed.gross_usd, closed.session):+.2f}",
        f"- by round trip, one unit: mean {unit.mean():+.3f} ± {figures.clustered_se(unit, closed.session):.3f} bps, "
        f"t {figures.clustered_t(unit, closed.session):+.2f}",
        f"- costs: {paid:,.2f} USD, {paid / closed.notional_usd.sum() * figures.BPS:.2f} bps of the notional entered",
        f"- net: {net.sum():,.2f} USD; net + costs = {net.sum() + paid:,.2f}, tolerance "
        f"{3 * figures.total_se(gross):,.2f}; t of net by session {figures.mean_t(net):+.2f}",
        f"- belief on: {entered} entries in {seen:,} symbol-sessions, {entered / seen * 1000:.2f} per 1,000",
    ]


def main(folder: Path) -> None:
    """Print the tables; what is missing is run."""
    runs = Runs(folder)
    planted = [runs.backtest(World(seed)) for seed in PLANTED_SEEDS]
    flat = [World(seed, edge=0.0) for seed in FLAT_SEEDS]
    believing = [runs.backtest(world) for world in flat]
    forced = [runs.backtest(world, forced=True) for world in flat]
    print(*planted_table(planted), "", *flat_table(forced, believing), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
