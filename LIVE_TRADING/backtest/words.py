"""The report's words: what each reason means, what each stage asks, how each metric is defined."""

from __future__ import annotations

from LIVE_TRADING.common.reasons import REASON_TEXT, Reason

REASON_WORDS: dict[Reason, str] = {
    Reason.OK: "nothing against it",
    Reason.NO_FORECAST: "the models gave no forecast at any horizon",
    Reason.Z_WARMING_UP: "too few past forecasts to standardise this one",
    Reason.STALE_FEATURES: "the newest bar is more than two bars old",
    Reason.WARMUP: "warm-up: forecasting, not yet deciding",
    Reason.NO_VIEW: "no model family has a view",
    Reason.NO_POSITIVE_WEIGHT: "no evidence of skill: every weight is zero",
    Reason.COST_UNKNOWN: "spread, volume or volatility missing, so the cost is unknown",
    Reason.BELOW_COST: "no horizon earns its cost and the reserve",
    Reason.PAST_SESSION_END: "the horizons that pay end after the session",
    Reason.ENTRY: "a horizon earns its cost: enter",
    Reason.HOLD: "keep the position",
    Reason.EXTEND: "keep the position for another horizon",
    Reason.EXIT_ELAPSED: "the horizon is over and the forecast no longer agrees",
    Reason.EXIT_REVERSED: "the forecast has turned",
    Reason.EXIT_SESSION_END: "the session ends",
    Reason.EXIT_BARRIER: "a peak or valley against the position is likely",
    Reason.REVERSE: "leave now, to enter the other side once flat",
    Reason.SESSION_CLOSING: "last two bars of the session: no entry",
    Reason.STALE_PREDICTIONS: "the predictions belong to an older cycle",
    Reason.GATE_OFF: "gate switched off, or no calibrated classifier",
    Reason.BARRIER_BLOCK: "a peak or valley against the entry is likely",
    Reason.SPREAD_TOO_WIDE: "the spread is wider than the limit",
    Reason.QUOTE_STALE: "the quote is too old",
    Reason.QUOTE_CROSSED: "bid above ask",
    Reason.QUOTE_MISSING: "no quote, or one side only",
    Reason.SIZED: "sized",
    Reason.BELOW_MIN_ENTRY: "the entry would be too small",
    Reason.WITHIN_BAND: "the change is inside the no-trade band",
    Reason.BELOW_RESERVE: "a resize is not worth its cost",
    Reason.BELOW_LOT: "rounds to less than a lot or the minimum notional",
    Reason.CAPPED: "increase scaled down by a cap",
    Reason.DRIFT_CUT: "cut back: drifted beyond a cap",
    Reason.GATED: "a gate or the venue allows no entry or increase",
    Reason.VOL_UNKNOWN: "volatility unknown",
    Reason.ORDERED: "order sent",
    Reason.REJECTED: "a pre-trade rule refused the order",
    Reason.WORKING_ORDER: "an order for the symbol is still working",
    Reason.COOLDOWN: "cooldown after the last order",
    Reason.REDUCE_ONLY: "only reducing orders are allowed",
    Reason.HALTED: "trading is halted",
    Reason.GUARDRAIL: "a risk guardrail has tripped",
    Reason.SESSION_CLOSED: "nothing can fill any more in this session",
    Reason.NOT_SELECTED: "in the universe, but not among the symbols to trade (--symbols)",
    Reason.CANCEL_WORKING: "a working entry is cancelled before the exit",
}

STAGE_QUESTIONS: dict[str, tuple[str, str]] = {
    "prediction": ("Forecast", "Is there a forecast on the scale of its own past?"),
    "blending": ("Blend", "Is any model family, at any horizon, worth listening to?"),
    "arbitration": ("Worth its cost", "Does a horizon earn its round trip, or does a held position stay or leave?"),
    "gating": ("Gates", "Is now a moment to enter?"),
    "barrier_gate": ("Barrier gate", "Is a peak or valley against the entry likely?"),
    "spread_gate": ("Spread gate", "Is the quote fresh and tight enough?"),
    "sizing": ("Size", "Is the change large enough to be worth an order?"),
    "risk": ("Risk and order", "Do the pre-trade rules let the order out?"),
    "orders": ("Order", "Do the pre-trade rules let the order out?"),
}

METRIC_WORDS: tuple[tuple[str, str, str, str], ...] = (
    ("sharpe_ann", "Sharpe ratio", "ratio", "mean ÷ sd of session returns × √sessions a year; risk-free rate 0"),
    ("sharpe_se_ann", "… its standard error", "ratio", "√((1 + SR²/2) ÷ sessions), annualised (Lo 2002)"),
    ("daily_t", "t of the mean return", "ratio", "mean ÷ (sd ÷ √sessions); between −2 and 2 is compatible with luck"),
    (
        "psr",
        "Probability of skill",
        "pct",
        "probabilistic Sharpe ratio: that the true one is above 0, if this was the only strategy tried",
    ),
    (
        "min_track_record_sessions",
        "Sessions that would show it",
        "count",
        "minimum track record that shows at 95 % that such a Sharpe ratio is above 0",
    ),
    ("sortino_ann", "Sortino ratio", "ratio", "mean × sessions a year ÷ downside risk, required return 0"),
    ("calmar", "Calmar ratio", "ratio", "growth of a year ÷ deepest drawdown"),
    ("cagr", "Growth of a year", "pct", "the session returns compounded, scaled to a year"),
    ("volatility_ann", "Volatility", "pct", "sd of session returns × √sessions a year"),
    ("skewness", "Skewness", "ratio", "of the session returns; negative: the large ones are losses"),
    ("kurtosis", "Kurtosis", "ratio", "of the session returns; a normal's is 3, more means fatter tails"),
    ("max_drawdown_frac", "Deepest drawdown, by session", "pct", "lowest close ÷ highest close before it − 1"),
    ("max_drawdown_bar_frac", "Deepest drawdown, by bar", "pct", "the same from the equity at every bar end"),
    ("value_at_risk_day", "5 % quantile of a session", "pct", "one session in twenty was worse than this"),
    ("expected_shortfall_day", "Mean of the worst 5 %", "pct", "mean return of the sessions beyond that quantile"),
    ("hit_rate", "Round trips that earned", "pct", "share with a profit after costs"),
    ("profit_factor", "Profit factor", "ratio", "profits ÷ losses of round trips, after costs"),
    ("holding_mean_s", "Mean time held", "time", "from a round trip's first fill to its last, nights included"),
    ("holding_median_s", "Median time held", "time", "the same, of the round trip in the middle"),
    ("turnover_day", "Turnover a session", "pct", "bought plus sold ÷ equity before the session"),
    ("gross_exposure_frac", "Gross exposure", "pct", "mean of |positions| ÷ equity over bar ends"),
    ("net_exposure_frac", "Net exposure", "pct", "mean of positions, shorts negative, ÷ equity"),
    ("time_in_market_frac", "Time in the market", "pct", "share of bar ends with a position"),
    (
        "capacity_usd",
        "Capacity",
        "usd",
        "equity at which square-root impact eats what the trades earned before costs; a rough bound",
    ),
)


FEW_SESSIONS = 60  # a quarter of a year

_NO_VARIATION = "no two returns differ"
_NO_TRIP = "no closed round trip"
_OF_SESSIONS = {  # take two sessions, and then this
    "sharpe_ann": _NO_VARIATION,
    "sharpe_se_ann": _NO_VARIATION,
    "daily_t": _NO_VARIATION,
    "psr": _NO_VARIATION,
    "skewness": _NO_VARIATION,
    "kurtosis": _NO_VARIATION,
    "min_track_record_sessions": "the Sharpe ratio is not above 0",
    "sortino_ann": "no losing session",
    "calmar": "no drawdown between closes",
    "cagr": "scaled to a year it is out of all bounds",
}
_OF_OTHERS = {
    "hit_rate": _NO_TRIP,
    "profit_factor": "no losing round trip",
    "holding_mean_s": _NO_TRIP,
    "holding_median_s": _NO_TRIP,
    "modelled_bps": "no closed round trip whose cost was believed beforehand",
    "paid_bps": "no closed round trip whose cost was believed beforehand",
    "gross_exposure_frac": "not kept",
    "time_in_market_frac": "gross exposure was not kept",
    "capacity_usd": "no impact was paid, or it is not known",
}


def why_undefined(key: str, sessions: int) -> str:
    """Return why a figure of the summary, or of the costs in it, is not defined."""
    if key in _OF_OTHERS:
        return _OF_OTHERS[key]
    if sessions < 2:
        return "fewer than 2 sessions"
    return _OF_SESSIONS.get(key, "no equity to measure by")


def few_sessions(sessions: int) -> str:
    """Return what so few sessions mean for ratios that are scaled to a year."""
    return (
        f"{sessions:,} sessions, scaled to a year: Sharpe, Sortino and Calmar ratios of so few can be of any size, and "
        "large ones say nothing yet."
    )


def reason_words(reason: Reason) -> str:
    """Return what a reason means; one that has no words here yet is called by its name."""
    return REASON_WORDS.get(reason, REASON_TEXT[reason].replace("_", " "))
