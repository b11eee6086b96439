"""Performance figures against published constants and empyrical-reloaded."""

# covers: R8

from __future__ import annotations

import json

import empyrical
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from LIVE_TRADING.backtest import metrics

MIXED = np.array([np.nan, 0.01, 0.1, -0.04, 0.02, 0.03, 0.02, 0.01, -0.1])
WEEKLY = np.array([0.0, 0.01, 0.1, -0.04, 0.02, 0.03, 0.02, 0.01, -0.1])
NEGATIVE = np.array([0.0, -0.06, -0.07, -0.01, -0.09, -0.02, -0.06, -0.08, -0.05])
POSITIVE = np.array([0.01, 0.02, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01])

FUNCTIONS = {
    "max_drawdown": lambda r, **_: metrics.max_drawdown_frac(r),
    "annual_return": lambda r, periods_per_year: metrics.cagr(r, periods_per_year),
    "annual_volatility": lambda r, periods_per_year, ddof: metrics.volatility_ann(r, periods_per_year),
    "calmar": lambda r, periods_per_year: metrics.calmar(r, periods_per_year),
    "sharpe": lambda r, risk_free, periods_per_year: metrics.sharpe_ann(r, periods_per_year, risk_free),
    "downside_risk": lambda r, required_return, periods_per_year: metrics.downside_risk_ann(
        r, periods_per_year, required_return
    ),
    "sortino": lambda r, required_return, periods_per_year: metrics.sortino_ann(r, periods_per_year, required_return),
    "value_at_risk": lambda r, cutoff: metrics.value_at_risk(r, cutoff),
}

RETURNS = hnp.arrays(
    np.float64,
    st.integers(0, 60),
    elements=st.one_of(st.floats(-0.2, 0.25).map(lambda value: round(value, 6)), st.just(np.nan)),
)


# published expected values of empyrical-reloaded tests/test_stats.py @efe6066, Apache-2.0
@pytest.mark.parametrize(
    ("got", "expected"),
    [
        pytest.param(metrics.sharpe_ann(MIXED, 252), 1.7238613961706866, id="sharpe-mixed"),
        pytest.param(metrics.sharpe_ann(POSITIVE, 252), 52.915026221291804, id="sharpe-positive"),
        pytest.param(metrics.sharpe_ann(NEGATIVE, 252), -24.406808633910085, id="sharpe-negative"),
        pytest.param(metrics.sortino_ann(MIXED, 252), 2.605531251673693, id="sortino-mixed"),
        pytest.param(metrics.sortino_ann(MIXED, 252, 0.01), -1.3934779588919977, id="sortino-required-return"),
        pytest.param(metrics.sortino_ann(WEEKLY, 52), 1.115890105686644, id="sortino-weekly"),
        pytest.param(metrics.downside_risk_ann(MIXED, 252), 0.6044832503882965, id="downside-mixed"),
        pytest.param(metrics.cagr(MIXED, 252), 1.9135925373194231, id="cagr-counts-the-nan-session"),
        pytest.param(metrics.cagr(WEEKLY, 12), 0.052242061386048144, id="cagr-monthly"),
        pytest.param(metrics.volatility_ann(MIXED, 252), 0.9136465399704637, id="volatility-mixed"),
        pytest.param(metrics.calmar(MIXED, 252), 19.135925373194233, id="calmar-mixed"),
        pytest.param(metrics.max_drawdown_frac(NEGATIVE), -0.36590730349873601, id="drawdown-negative"),
        pytest.param(metrics.max_drawdown_frac(np.array([-0.05, 0.02, -0.01])), -0.05, id="starting-equity-is-a-peak"),
    ],
)
def test_published_constants(got, expected):
    assert got == pytest.approx(expected, abs=1e-8)


def test_every_published_case(shared_reference):
    book = json.loads(shared_reference("performance_metrics.json").read_text())
    as_array = {name: np.array(values, dtype=float) for name, values in book["series"].items()}
    checked = 0
    for case in book["cases"]:
        inputs = dict(case["inputs"])
        if "function" not in case or "returns_file" in inputs:
            continue
        returns = inputs.pop("returns")
        returns = as_array[returns] if isinstance(returns, str) else np.array(returns, dtype=float)
        if isinstance(inputs.get("risk_free"), str):
            inputs["risk_free"] = as_array[inputs["risk_free"]]
        got = FUNCTIONS[case["function"].split(" ")[0]](returns, **inputs)
        undefined = case["expected"] in (None, "inf")  # ours are NaN where empyrical says infinity
        expected = np.nan if undefined else case["expected"]
        assert got == pytest.approx(expected, abs=case["tolerance"]["abs"], nan_ok=True), case["id"]
        checked += 1
    assert checked >= 50


@given(RETURNS)
def test_equal_empyrical_on_random_returns(returns):
    with np.errstate(all="ignore"):
        expected = {
            "sharpe_ann": empyrical.sharpe_ratio(returns, annualization=252),
            "sortino_ann": empyrical.sortino_ratio(returns, annualization=252),
            "calmar": empyrical.calmar_ratio(returns, annualization=252),
            "volatility_ann": empyrical.annual_volatility(returns, annualization=252),
            "cagr": empyrical.annual_return(returns, annualization=252),
        }
        deepest = empyrical.max_drawdown(returns)
    for name, value in expected.items():
        got = getattr(metrics, name)(returns, 252)
        defined = value if value is not None and np.isfinite(value) else np.nan
        assert got == pytest.approx(defined, rel=1e-9, abs=1e-12, nan_ok=True), name
    assert metrics.max_drawdown_frac(returns) == pytest.approx(deepest, abs=1e-12, nan_ok=True)


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["us_equity_1d_2015.parquet"])
def test_equal_empyrical_on_real_daily_returns(shared_data, name):
    bars = pd.read_parquet(shared_data(name), columns=["symbol", "timestamp", "close"])
    for _, closes in list(bars.groupby("symbol")["close"])[:20]:
        returns = closes.pct_change().to_numpy()[1:]
        pairs = [
            (metrics.sharpe_ann(returns, 252), empyrical.sharpe_ratio(returns, annualization=252)),
            (metrics.sortino_ann(returns, 252), empyrical.sortino_ratio(returns, annualization=252)),
            (metrics.calmar(returns, 252), empyrical.calmar_ratio(returns, annualization=252)),
            (metrics.max_drawdown_frac(returns), empyrical.max_drawdown(returns)),
            (metrics.value_at_risk(returns), empyrical.value_at_risk(returns)),
            (metrics.expected_shortfall(returns), empyrical.conditional_value_at_risk(returns)),
        ]
        for got, expected in pairs:
            assert got == pytest.approx(expected, rel=1e-9)


@given(RETURNS)
def test_nothing_is_infinite(returns):
    figures = [
        metrics.sharpe_ann(returns, 365),
        metrics.sharpe_se_ann(returns, 365),
        metrics.mean_t(returns),
        metrics.sortino_ann(returns, 365),
        metrics.cagr(returns, 365),
        metrics.calmar(returns, 365),
        metrics.volatility_ann(returns, 365),
        metrics.downside_risk_ann(returns, 365),
        metrics.value_at_risk(returns),
        metrics.expected_shortfall(returns),
    ]
    assert not np.isinf(figures).any()


@pytest.mark.parametrize(
    ("returns", "undefined"),
    [
        pytest.param([], ["sharpe_ann", "sharpe_se_ann", "sortino_ann", "calmar", "volatility_ann", "cagr"], id="none"),
        pytest.param([0.01], ["sharpe_ann", "sharpe_se_ann", "sortino_ann", "calmar", "volatility_ann"], id="one"),
        pytest.param([0.1] * 7, ["sharpe_ann", "sharpe_se_ann", "sortino_ann", "calmar"], id="constant"),
        pytest.param([0.0] * 7, ["sharpe_ann", "sortino_ann", "calmar"], id="never-traded"),
        pytest.param([0.01, 0.02], ["sortino_ann", "calmar"], id="no-losing-session"),
        pytest.param([np.nan] * 3, ["sharpe_ann", "sortino_ann", "calmar", "volatility_ann"], id="nothing-known"),
        pytest.param([-1.5, 0.2], ["cagr", "calmar"], id="more-than-everything-lost"),
        pytest.param([1e300, 0.1], ["cagr", "calmar"], id="beyond-a-float"),
    ],
)
def test_undefined_is_nan(returns, undefined):
    for name in undefined:
        assert np.isnan(getattr(metrics, name)(np.array(returns), 252)), name


def test_sharpe_standard_error_is_that_of_lo_2002():
    returns = np.array([0.01, -0.01, 0.02, 0.0])
    ratio = 0.005 / np.std(returns, ddof=1)
    assert metrics.sharpe_se_ann(returns, 252) == pytest.approx(np.sqrt((1 + ratio**2 / 2) / 4 * 252))


def test_mean_t_is_the_t_statistic():
    from scipy.stats import ttest_1samp

    returns = np.random.default_rng(2).normal(0.001, 0.01, 40)
    assert metrics.mean_t(returns) == pytest.approx(ttest_1samp(returns, 0.0).statistic)


@pytest.mark.parametrize(
    ("pnl", "hit_rate", "profit_factor"),
    [
        pytest.param([30.0, -10.0, -5.0, 0.0], 0.25, 2.0, id="zero-did-not-earn"),
        pytest.param([5.0, 7.0], 1.0, np.nan, id="no-loss"),
        pytest.param([-5.0], 0.0, 0.0, id="no-profit"),
        pytest.param([], np.nan, np.nan, id="no-trade"),
    ],
)
def test_figures_by_round_trip(pnl, hit_rate, profit_factor):
    values = np.array(pnl)
    assert metrics.hit_rate(values) == pytest.approx(hit_rate, nan_ok=True)
    assert metrics.profit_factor(values) == pytest.approx(profit_factor, nan_ok=True)


def test_session_returns_start_from_the_starting_equity():
    got = metrics.session_returns(np.array([110.0, 99.0, 0.0, 5.0]), 100.0)
    np.testing.assert_allclose(got, [0.1, -0.1, -1.0, np.nan])
    assert metrics.session_returns(np.array([]), 100.0).shape == (0,)


def test_turnover_and_exposure_are_means_of_shares_of_equity():
    equity = np.array([100.0, 200.0, 0.0])
    assert metrics.turnover_day(np.array([50.0, 300.0, 7.0]), equity) == pytest.approx(1.0)
    assert metrics.exposure_frac(np.array([-50.0, 100.0, 7.0]), equity) == pytest.approx(0.0)
    assert np.isnan(metrics.turnover_day(np.array([]), np.array([])))
    assert np.isnan(metrics.exposure_frac(np.array([1.0]), np.array([0.0])))


def test_holding_time_is_mean_and_median():
    entries = np.array([0, 10, 20], dtype=np.int64) * 10**9
    assert metrics.holding_s(entries, entries + np.array([60, 120, 600], dtype=np.int64) * 10**9) == (260.0, 120.0)
    assert np.isnan(metrics.holding_s(entries[:0], entries[:0])).all()


@pytest.mark.parametrize(
    ("gross", "fixed", "impact", "expected"),
    [
        pytest.param(500.0, 100.0, 100.0, 1_600_000.0, id="four-times-the-impact-is-sixteen-times-the-size"),
        pytest.param(200.0, 100.0, 100.0, 100_000.0, id="breaks-even-where-it-is"),
        pytest.param(90.0, 100.0, 100.0, 0.0, id="does-not-pay-its-spread"),
        pytest.param(90.0, 10.0, 0.0, np.nan, id="no-impact"),
        pytest.param(90.0, np.nan, np.nan, np.nan, id="spread-not-known"),
    ],
)
def test_capacity(gross, fixed, impact, expected):
    assert metrics.capacity_usd(100_000.0, gross, fixed, impact) == pytest.approx(expected, nan_ok=True)


def test_at_capacity_trades_earn_nothing_and_at_four_ninths_of_it_the_most():
    gross, fixed, impact, equity = 700.0, 150.0, 90.0, 100_000.0
    capacity = metrics.capacity_usd(equity, gross, fixed, impact)

    def earned(size):
        scale = size / equity
        return scale * (gross - fixed) - scale**1.5 * impact

    assert earned(capacity) == pytest.approx(0.0, abs=1e-6)
    sizes = np.linspace(0.01, 1.0, 1000) * capacity
    assert sizes[np.argmax([earned(size) for size in sizes])] / capacity == pytest.approx(4 / 9, abs=1e-3)


def test_the_rolling_sharpe_ratio_is_that_of_its_window():
    returns = np.random.default_rng(8).normal(0.001, 0.01, 70)
    found = metrics.rolling_sharpe_ann(returns, 20, 252)
    assert np.isnan(found[:19]).all()
    for end in (20, 45, 70):
        assert found[end - 1] == pytest.approx(empyrical.sharpe_ratio(returns[end - 20 : end], annualization=252))
    assert np.isnan(metrics.rolling_sharpe_ann(returns[:5], 20, 252)).all()


@given(RETURNS)
def test_compounded_is_empyrical_s(returns):
    expected = empyrical.cum_returns_final(returns, starting_value=0) if len(returns) else np.nan
    assert metrics.compounded(returns) == pytest.approx(expected, abs=1e-9, nan_ok=True)
