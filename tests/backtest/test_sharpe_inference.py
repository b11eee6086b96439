"""Probabilistic Sharpe ratio, minimum track record, difference of two Sharpe ratios: against published numbers."""

# covers: R2

from __future__ import annotations

import json

import jsharpe
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from LIVE_TRADING.backtest import metrics
from LIVE_TRADING.backtest.sharpe_inference import (
    correlation,
    kurtosis,
    min_track_record,
    min_track_record_of_returns,
    probabilistic_sharpe,
    psr_of_returns,
    sharpe_difference,
    skewness,
)

RETURNS = hnp.arrays(
    np.float64,
    st.integers(0, 80),
    elements=st.one_of(st.floats(-0.2, 0.25).map(lambda value: round(value, 6)), st.just(np.nan)),
)


# Bailey & López de Prado (2012), The Sharpe Ratio Efficient Frontier; the exact ones from esvhd/pypbo @ddbc631
@pytest.mark.parametrize(
    ("got", "expected", "tolerance"),
    [
        pytest.param(probabilistic_sharpe(0.458, 24, 0.0, 3.0), 0.982, 5e-4, id="psr-of-normal-returns"),
        pytest.param(
            probabilistic_sharpe(0.45755008833277844, 24, -2.448, 10.164),
            0.9132343068848602,
            1e-10,
            id="psr-hedge-fund",
        ),
        pytest.param(
            min_track_record(0.8660254037844387, -0.72, 5.78, 0.7216878364870323) / 12,
            27.3529201960403,
            3e-8,
            id="track-record-in-years",
        ),
    ],
)
def test_published_numbers(got, expected, tolerance):
    assert got == pytest.approx(expected, abs=tolerance)


def test_every_published_case_of_one_strategy(shared_reference):
    checked = 0
    for case in json.loads(shared_reference("sharpe_inference.json").read_text())["cases"]:
        given_, expected = case["inputs"], case["expected"]
        if "psr" in expected:
            got = probabilistic_sharpe(
                given_["sr"], given_["n"], given_["skew"], given_["kurtosis"], given_["sr_benchmark"]
            )
            assert got == pytest.approx(expected["psr"], abs=case["tolerance"]["abs"]), case["id"]
            checked += 1
        if "min_trl_years" in expected:
            got = min_track_record(
                given_["sr"], given_["skew"], given_["kurtosis"], given_["sr_benchmark"], given_["prob"]
            )
            years = got / given_["periods_per_year"]
            assert years == pytest.approx(expected["min_trl_years"], rel=case["tolerance"]["rel"]), case["id"]
            checked += 1
    assert checked >= 3


@given(RETURNS)
def test_equal_scipy_and_jsharpe_on_random_returns(returns):
    kept = returns[~np.isnan(returns)]
    if kept.size < 2 or kept.max() == kept.min():
        assert np.isnan([skewness(returns), kurtosis(returns), psr_of_returns(returns)]).all()
        return
    skew, kurt = skewness(returns), kurtosis(returns)
    assert skew == pytest.approx(stats.skew(kept), rel=1e-8, abs=1e-8)
    assert kurt == pytest.approx(stats.kurtosis(kept, fisher=False), rel=1e-8)
    ratio = metrics.mean_over_sd(returns)
    variance = jsharpe.sharpe_ratio_variance(ratio, kept.size - 1, gamma3=skew, gamma4=kurt)
    expected = jsharpe.probabilistic_sharpe_ratio(ratio, 0.0, variance=variance) if variance > 0 else np.nan
    assert psr_of_returns(returns) == pytest.approx(expected, abs=1e-9, nan_ok=True)


@given(RETURNS)
def test_the_minimum_track_record_is_the_length_at_which_the_probability_is_met(returns):
    sessions = min_track_record_of_returns(returns)
    ratio, skew, kurt = metrics.mean_over_sd(returns), skewness(returns), kurtosis(returns)
    if np.isnan(sessions):
        assert not ratio > 0 or probabilistic_sharpe(ratio, 10**9, skew, kurt) != pytest.approx(1.0)
    elif 2 < sessions < 1e12:
        below, above = (probabilistic_sharpe(ratio, int(n), skew, kurt) for n in (sessions, sessions + 1))
        assert below <= 0.95 + 1e-9
        assert above >= 0.95 - 1e-9


@pytest.mark.parametrize(
    ("returns", "psr", "record"),
    [
        pytest.param([], np.nan, np.nan, id="none"),
        pytest.param([0.01], np.nan, np.nan, id="one"),
        pytest.param([0.01, 0.01, 0.01], np.nan, np.nan, id="constant"),
        pytest.param([0.01, -0.01], 0.5, np.nan, id="no-skill-no-length-shows-it"),
    ],
)
def test_what_is_not_defined(returns, psr, record):
    values = np.array(returns)
    assert psr_of_returns(values) == pytest.approx(psr, nan_ok=True)
    assert min_track_record_of_returns(values) == pytest.approx(record, nan_ok=True)


def test_the_standard_error_of_a_difference_is_the_spread_of_simulated_differences():
    """4,000 pairs of normal samples with Sharpe ratios 0.15 and 0.05 and correlation 0.6."""
    rng = np.random.default_rng(5)
    n, pairs = 250, 4_000
    common = rng.normal(size=(pairs, n))
    first = 0.15 + common
    second = 0.05 + 0.6 * common + 0.8 * rng.normal(size=(pairs, n))
    found = [sharpe_difference(a, b) for a, b in zip(first, second, strict=True)]
    differences, errors = np.array(found).T
    assert differences.mean() == pytest.approx(0.10, abs=0.005)
    assert errors.mean() == pytest.approx(differences.std(ddof=1), rel=0.04)


def test_the_difference_of_a_run_with_itself_is_nothing():
    returns = np.random.default_rng(1).normal(0.001, 0.01, 60)
    difference, error = sharpe_difference(returns, returns)
    assert (difference, error) == (0.0, pytest.approx(0.0, abs=1e-7))
    assert np.isnan(sharpe_difference(returns, np.zeros(60))).all()
    assert np.isnan(sharpe_difference(returns[:2], returns[1:3])).all()


@given(RETURNS, st.integers(0, 5))
def test_correlation_is_numpy_s(returns, shift):
    other = np.roll(returns, shift) + 0.3 * returns
    both = ~(np.isnan(returns) | np.isnan(other))
    got = correlation(returns, other)
    if np.isnan(got):
        assert both.sum() < 2 or np.ptp(returns[both]) == 0 or np.ptp(other[both]) == 0
    else:
        assert got == pytest.approx(np.corrcoef(returns[both], other[both])[0, 1], abs=1e-6)
