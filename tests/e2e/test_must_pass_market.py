"""The must-pass market: with a planted edge the whole path earns after costs, without one it loses its costs.

Everything goes through the command line. Two seeds of each in `make test`, ten and twenty in `make slow`; the figures
stand in docs/must-pass.md.
"""

# covers: R8

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from e2e import must_pass_figures as figures
from e2e.must_pass_runs import INTERVAL_MINUTES, Result, Runs, World
from independent.recompute import Recomputation, recompute

FEW_SEEDS = (1, 2)
TEN_SEEDS = tuple(range(1, 11))
TWENTY_SEEDS = tuple(range(1, 21))
MIN_DAILY_T = 3.6
MAX_ABS_T = 3.0
MIN_TRIPS_A_SIDE = 50
ENTRIES_PER_SYMBOL_SESSION = 1 / 1000
PAID_BPS = (3.0, 6.0)  # spread 2, fees 1, impact; cheap shares pay a tick, which is more than 2 bps
EFFORT = ("wall_s", "inference_s", "peak_rss_mb")
RESULT_FILES = ("trades.csv", "orders.csv", "rejections.csv", "fills.csv", "equity.csv", "decisions.parquet")


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return runs in a folder that all workers share; $MUST_PASS_RUNS keeps them for must_pass_report.py."""
    kept = os.environ.get("MUST_PASS_RUNS")
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    return Runs(Path(kept) if kept else shared / "must-pass")


def recomputed(result: Result) -> Recomputation:
    """Return the account that fills.csv makes, after checking that nothing in the result folder says otherwise."""
    account = recompute(
        result.out,
        str(result.summary["start_equity_usd"]),
        bars=result.bars,
        interval_minutes=INTERVAL_MINUTES,
    )
    assert account.differences == []
    return account


def check_planted(result: Result) -> None:
    """Check everything that one seed of the planted market must show."""
    summary = result.summary
    account = recomputed(result)
    assert account.positions == {}
    assert account.cash == account.equity
    assert summary["sessions"] == len(result.world.traded_sessions) == 20
    assert account.equity_rows == summary["cycles"] == 20 * 78

    assert summary["net_pnl_usd"] > 0
    assert summary["gross_pnl_usd"] > summary["net_pnl_usd"]
    assert figures.daily_t(result) > MIN_DAILY_T
    assert figures.daily_t(result) == pytest.approx(summary["daily_t"], rel=1e-9)

    assert summary["long_trades"] >= MIN_TRIPS_A_SIDE
    assert summary["short_trades"] >= MIN_TRIPS_A_SIDE
    assert summary["long_trades"] + summary["short_trades"] == figures.entries(result, filled=True)
    closed = figures.trips(result)
    assert closed.gross_usd[closed.side > 0].sum() > 0
    assert closed.gross_usd[closed.side < 0].sum() > 0
    assert figures.carried_overnight(result) == []
    check_costs(result)


def check_costs(result: Result) -> None:
    """Check that gross less costs is net, by round trip and in sum, and that the costs are what the venue charges."""
    summary, closed = result.summary, figures.trips(result)
    paid = figures.costs_by_session(result).sum()
    assert paid == pytest.approx(summary["fees_usd"] + summary["spread_and_slippage_usd"], abs=0.005)
    assert closed.gross_usd.sum() - closed.net_usd.sum() == pytest.approx(paid, abs=0.005)
    assert closed.gross_usd.sum() == pytest.approx(figures.gross_by_session(result).sum(), abs=0.005)
    assert PAID_BPS[0] < paid / closed.notional_usd.sum() * figures.BPS < PAID_BPS[1]


def check_noise(results: list[Result]) -> None:
    """Check that the noise of the market paid nothing, whatever the edge did: no decision has seen what came after."""
    noise = np.concatenate([figures.noise_by_session(result) for result in results])
    assert abs(figures.mean_t(noise)) < MAX_ABS_T


def check_account(result: Result) -> None:
    """Check the books of a run without an edge; where no model has a positive IC it cannot be made to trade."""
    assert recomputed(result).positions == {}
    assert figures.carried_overnight(result) == []
    if result.summary["fills"]:
        check_costs(result)


def check_no_edge(results: list[Result], *, least_trips: int) -> None:
    """Check that trading without an edge earns nothing before costs and loses them after."""
    closed = figures.pooled_trips(results)
    assert closed.gross_usd.size >= least_trips
    assert np.count_nonzero(closed.side > 0) > least_trips / 4
    assert np.count_nonzero(closed.side < 0) > least_trips / 4

    gross = np.concatenate([figures.gross_by_session(result) for result in results])
    net = np.concatenate([figures.net_by_session(result) for result in results])
    costs = sum(result.summary["fees_usd"] + result.summary["spread_and_slippage_usd"] for result in results)
    assert abs(figures.mean_t(gross)) < MAX_ABS_T
    assert abs(figures.clustered_t(closed.unit_bps, closed.session)) < MAX_ABS_T
    # net ≈ minus the costs: the tolerance is three standard errors of the sum of independent sessions
    assert abs(net.sum() + costs) < MAX_ABS_T * figures.total_se(gross)


def check_belief(results: list[Result]) -> None:
    """Check that with the cost belief on hardly anything is entered where there is nothing to earn."""
    entered = sum(figures.entries(result) for result in results)
    assert entered <= ENTRIES_PER_SYMBOL_SESSION * sum(figures.symbol_sessions(result) for result in results)


@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_a_planted_edge_earns_after_costs(runs: Runs, seed: int) -> None:
    check_planted(runs.backtest(World(seed)))


@pytest.mark.parametrize("seed", FEW_SEEDS)
def test_the_books_balance_without_an_edge(runs: Runs, seed: int) -> None:
    world = World(seed, edge=0.0)
    check_account(runs.backtest(world, forced=True))
    check_account(runs.backtest(world))


def test_without_an_edge_it_loses_its_costs_and_trades_only_if_it_is_made_to(runs: Runs) -> None:
    worlds = [World(seed, edge=0.0) for seed in FEW_SEEDS]
    check_no_edge([runs.backtest(world, forced=True) for world in worlds], least_trips=100)
    check_belief([runs.backtest(world) for world in worlds])


def test_the_noise_of_the_market_pays_nothing(runs: Runs) -> None:
    results = [runs.backtest(World(seed)) for seed in FEW_SEEDS]
    check_noise(results)
    for result in results:
        noise = figures.noise_by_session(result).sum()
        assert result.summary["gross_pnl_usd"] - noise > 0


def numbers(value: Any, key: str = "") -> Iterator[tuple[str, object]]:
    """Yield every figure of a summary by its path."""
    if isinstance(value, dict):
        for name, member in value.items():
            yield from numbers(member, f"{key}.{name}".lstrip("."))
    elif not isinstance(value, list):
        yield key, value


def test_another_seed_changes_every_figure(runs: Runs) -> None:
    one, two = (dict(numbers(runs.backtest(World(seed)).summary)) for seed in FEW_SEEDS)
    measured = [
        key
        for key in one.keys() & two.keys()
        if (isinstance(one[key], float) or isinstance(two[key], float)) and key not in EFFORT
    ]
    assert {"end_equity_usd", "gross_pnl_usd", "fees_usd", "sharpe_ann", "turnover_day"} <= set(measured)
    # bar ends with a position over bar ends; and a run without a losing session has a drawdown of exactly 0
    coincidence = {"time_in_market_frac"} | {key for key in measured if one[key] == two[key] == 0.0}
    digests = [key for key in one if key.endswith("_digest")] + ["data_hash"]
    assert len(digests) == 5
    assert [key for key in (*measured, *digests) if one[key] == two[key] and key not in coincidence] == []


def test_the_same_seed_gives_the_same_bytes_in_another_process(runs: Runs, tmp_path: Path) -> None:
    world = World(FEW_SEEDS[0])
    first = runs.backtest(world)
    again = Runs(tmp_path, environment={"PYTHONHASHSEED": "12345"}).backtest(world)
    one, two = ({k: v for k, v in result.summary.items() if k not in EFFORT} for result in (first, again))
    assert one == two
    for name in RESULT_FILES:
        assert (first.out / name).read_bytes() == (again.out / name).read_bytes(), name


@pytest.mark.slow
@pytest.mark.parametrize("seed", TEN_SEEDS)
def test_a_planted_edge_earns_after_costs_on_ten_seeds(runs: Runs, seed: int) -> None:
    check_planted(runs.backtest(World(seed)))


@pytest.mark.slow
@pytest.mark.parametrize("seed", TWENTY_SEEDS)
def test_the_books_balance_without_an_edge_on_twenty_seeds(runs: Runs, seed: int) -> None:
    world = World(seed, edge=0.0)
    check_account(runs.backtest(world, forced=True))
    check_account(runs.backtest(world))


@pytest.mark.slow
def test_the_noise_pays_nothing_on_ten_seeds(runs: Runs) -> None:
    check_noise([runs.backtest(World(seed)) for seed in TEN_SEEDS])


@pytest.mark.slow
def test_twenty_seeds_without_an_edge_lose_their_costs(runs: Runs) -> None:
    check_no_edge([runs.backtest(World(seed, edge=0.0), forced=True) for seed in TWENTY_SEEDS], least_trips=1000)


@pytest.mark.slow
def test_twenty_seeds_without_an_edge_hardly_trade_by_default(runs: Runs) -> None:
    check_belief([runs.backtest(World(seed, edge=0.0)) for seed in TWENTY_SEEDS])
