"""Performance figures, pure functions of arrays.

Conventions are those of empyrical-reloaded, which the tests compare with:

- returns are simple, one per session, E_close / E_close(previous) − 1, the first against the starting equity;
- the risk-free rate and the required return are 0 unless given, per session;
- annualisation is by the number of sessions a year (252; 365 for a market that is open always), its root for risk;
- a drawdown is <= 0, and the starting equity counts as a peak;
- NaN in the returns are left out of means and deviations; for growth they are returns of 0, and count as sessions.

What is not defined (no deviation, no losing session, too few sessions) is NaN, and nothing is ever infinite: where
empyrical says infinity these say NaN.
"""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import FloatArray, IntArray
from LIVE_TRADING.common.units import NS_PER_S


def sharpe_ann(returns: FloatArray, sessions_per_year: float, risk_free: FloatArray | float = 0.0) -> float:
    """Return mean(r − rf) / sd(r − rf) · √sessions, sd with ddof 1 (Sharpe 1994). NaN below two sessions or sd 0."""
    return mean_over_sd(returns, risk_free) * float(np.sqrt(sessions_per_year))


def sharpe_se_ann(returns: FloatArray, sessions_per_year: float) -> float:
    """Return the Sharpe ratio's standard error, √((1 + SR²/2) / n) per session, annualised (Lo 2002, equation 9).

    For independent normal returns; NaN where the ratio is.
    """
    n = int(np.count_nonzero(~np.isnan(returns)))
    ratio = mean_over_sd(returns)
    return float(np.sqrt((1.0 + 0.5 * ratio**2) / n * sessions_per_year)) if n else float("nan")


def mean_t(returns: FloatArray) -> float:
    """Return the t statistic of the mean session return, mean / (sd / √n). NaN below two sessions or sd 0."""
    n = int(np.count_nonzero(~np.isnan(returns)))
    return mean_over_sd(returns) * float(np.sqrt(n))


def mean_over_sd(returns: FloatArray, risk_free: FloatArray | float = 0.0) -> float:
    """Return the Sharpe ratio per session."""
    excess = observed(returns - np.asarray(risk_free, dtype=np.float64))
    # equal values have a deviation of 1e-18 for rounding; what is divided by it is no figure
    if excess.size < 2 or excess.max() == excess.min():
        return float("nan")
    return float(excess.mean() / excess.std(ddof=1))


def volatility_ann(returns: FloatArray, sessions_per_year: float) -> float:
    """Return sd(r) · √sessions, ddof 1. NaN below two sessions."""
    present = observed(returns)
    return float(present.std(ddof=1) * np.sqrt(sessions_per_year)) if present.size >= 2 else float("nan")


def downside_risk_ann(returns: FloatArray, sessions_per_year: float, required_return: float = 0.0) -> float:
    """Return √(mean(min(r − required, 0)²)) · √sessions, the mean over all sessions (Sortino and van der Meer 1991)."""
    below = np.minimum(observed(returns) - required_return, 0.0)
    return float(np.sqrt(np.mean(below**2)) * np.sqrt(sessions_per_year)) if below.size else float("nan")


def sortino_ann(returns: FloatArray, sessions_per_year: float, required_return: float = 0.0) -> float:
    """Return mean(r − required) · sessions / downside risk. NaN below two sessions or without a session below."""
    if len(returns) < 2:
        return float("nan")
    excess = observed(returns) - required_return
    risk = downside_risk_ann(returns, sessions_per_year, required_return)
    return float(excess.mean() * sessions_per_year / risk) if risk > 0 else float("nan")


def cagr(returns: FloatArray, sessions_per_year: float) -> float:
    """Return the growth of a year, Π(1 + r)^(sessions / n) − 1. NaN without sessions, after ruin, or beyond a float."""
    if len(returns) == 0:
        return float("nan")
    growth = np.nanprod(1.0 + returns)
    if growth < 0:
        return float("nan")
    with np.errstate(over="ignore"):
        return _finite(float(growth ** (sessions_per_year / len(returns))) - 1.0)


def drawdown(returns: FloatArray) -> FloatArray:
    """Return the drawdown after each session, shape (n,), <= 0: equity over its peak so far, less 1."""
    wealth = np.cumprod(np.concatenate(([1.0], 1.0 + np.nan_to_num(returns, nan=0.0))))
    below: FloatArray = (wealth / np.maximum.accumulate(wealth) - 1.0)[1:]
    return below


def max_drawdown_frac(returns: FloatArray) -> float:
    """Return the deepest drawdown, <= 0. NaN without sessions."""
    return float(drawdown(returns).min()) if len(returns) else float("nan")


def calmar(returns: FloatArray, sessions_per_year: float) -> float:
    """Return CAGR / |maximum drawdown| (Young 1991). NaN without a drawdown."""
    deepest = max_drawdown_frac(returns)
    return _finite(cagr(returns, sessions_per_year) / abs(deepest)) if deepest < 0 else float("nan")


def value_at_risk(returns: FloatArray, cutoff: float = 0.05) -> float:
    """Return the empirical quantile of the returns (linear between observations), its sign kept."""
    present = observed(returns)
    return float(np.quantile(present, cutoff)) if present.size else float("nan")


def expected_shortfall(returns: FloatArray, cutoff: float = 0.05) -> float:
    """Return the mean of the worst ⌊(n − 1)·cutoff⌋ + 1 returns."""
    present = np.sort(observed(returns))
    return float(present[: int((present.size - 1) * cutoff) + 1].mean()) if present.size else float("nan")


def hit_rate(net_pnl: FloatArray) -> float:
    """Return the share of round trips that earned after costs; one of exactly 0 did not. NaN without any."""
    return float(np.mean(net_pnl > 0)) if len(net_pnl) else float("nan")


def profit_factor(net_pnl: FloatArray) -> float:
    """Return the sum of the profits over that of the losses, by round trip after costs. NaN without a loss."""
    lost = -float(net_pnl[net_pnl < 0].sum())
    return float(net_pnl[net_pnl > 0].sum()) / lost if lost > 0 else float("nan")


def holding_s(entry_ns: IntArray, exit_ns: IntArray) -> tuple[float, float]:
    """Return mean and median time from a round trip's first fill to its last, seconds, nights included. NaN: none."""
    if not len(entry_ns):
        return float("nan"), float("nan")
    held = (exit_ns - entry_ns) / NS_PER_S
    return float(held.mean()), float(np.median(held))


def capacity_usd(equity_usd: float, gross_usd: float, spread_and_fees_usd: float, impact_usd: float) -> float:
    """Return the equity at which market impact eats all that the trades earned before costs.

    E · ((gross − spread − fees) / impact)². Trades s times as large earn s times as much, pay s times as much spread
    and fees, and s^(3/2) times as much impact, since impact per dollar grows with √(q/ADV) (Barra 1997; Almgren et al.
    2005; Tóth et al. 2011); they earn nothing at the s that makes the two equal. This is the terminal capacity of
    Vangelisti (2006), The Capacity of an Equity Strategy; most USD are earned at 4/9 of it.

    Parameters
    ----------
    equity_usd
        At which the three amounts came about: the mean over the run.
    gross_usd, spread_and_fees_usd, impact_usd
        Sums over the same fills, as the simulated exchange charged them.

    Returns
    -------
    float
        0 where the trades do not even pay their spread and fees; NaN without impact, or where it is not known.
    """
    margin = gross_usd - spread_and_fees_usd
    if not impact_usd > 0.0 or np.isnan(margin):
        return float("nan")
    return _finite(float(equity_usd * (max(margin, 0.0) / impact_usd) ** 2))


def rolling_sharpe_ann(returns: FloatArray, window: int, sessions_per_year: float) -> FloatArray:
    """Return the annualised Sharpe ratio of the last `window` sessions, shape (n,); NaN for the first window − 1."""
    rolling = np.full(len(returns), np.nan)
    for end in range(window, len(returns) + 1):
        rolling[end - 1] = sharpe_ann(returns[end - window : end], sessions_per_year)
    return rolling


def compounded(returns: FloatArray) -> float:
    """Return Π(1 + r) − 1, NaN in the returns counted as 0. NaN without sessions."""
    return float(np.nanprod(1.0 + returns) - 1.0) if len(returns) else float("nan")


def session_returns(closing_equity: FloatArray, start_equity: float) -> FloatArray:
    """Return one return per session, shape (n,); NaN where the equity before it is not positive."""
    before = np.concatenate(([start_equity], closing_equity[:-1])) if len(closing_equity) else closing_equity
    growth: FloatArray = np.divide(closing_equity, before, out=np.full(len(before), np.nan), where=before > 0)
    return growth - 1.0


def turnover_day(traded_usd: FloatArray, opening_equity: FloatArray) -> float:
    """Return the mean over sessions of traded value, bought plus sold, over the equity before the session.

    1 means that the account's whole value was bought or sold once a session. NaN without sessions or equity.
    """
    usable = opening_equity > 0
    return float(np.mean(traded_usd[usable] / opening_equity[usable])) if usable.any() else float("nan")


def exposure_frac(position_usd: FloatArray, equity_usd: FloatArray) -> float:
    """Return the mean over bar ends of position value over equity. NaN without bar ends."""
    usable = equity_usd > 0
    return float(np.mean(position_usd[usable] / equity_usd[usable])) if usable.any() else float("nan")


def observed(values: FloatArray) -> FloatArray:
    """Return the values that are not NaN."""
    kept: FloatArray = values[~np.isnan(values)]
    return kept


def _finite(value: float) -> float:
    return value if np.isfinite(value) else float("nan")
