"""Reason codes. Every stage says per symbol why it let something through or not; nothing is blocked without one."""

from __future__ import annotations

from enum import IntEnum

REASONS_VERSION = 1


class Reason(IntEnum):
    """Why a stage did what it did with a symbol. Numbers are stable: they stand in digests and journals."""

    OK = 0
    # prediction
    NO_FORECAST = 10  # the models gave NaN for every family and horizon
    Z_WARMING_UP = 11  # fewer than min_samples forecasts in the lagged window
    STALE_FEATURES = 12  # newest bar older than two bars
    WARMUP = 13  # forecasting, not yet deciding
    # blending
    NO_VIEW = 20  # no family has a view at any horizon
    NO_POSITIVE_WEIGHT = 21  # ridge weights are zero at every horizon: no evidence of skill
    # arbitration
    COST_UNKNOWN = 30  # spread, ADV or volatility missing
    BELOW_COST = 31  # no horizon earns its cost and the reserve
    PAST_SESSION_END = 32  # the horizons that pay do not end within the session
    ENTRY = 33
    HOLD = 34
    EXTEND = 35  # same side, another horizon: the clock is reset
    EXIT_ELAPSED = 36  # horizon over and the forecast no longer agrees (NaN does not agree)
    EXIT_REVERSED = 37  # the forecast has turned by more than exit_bps
    EXIT_SESSION_END = 38  # intraday horizon at the last bar that can still fill
    EXIT_BARRIER = 39
    REVERSE = 40  # leave now; the entry is decided once the exit is filled
    SESSION_CLOSING = 41  # last two bars of a session: no entry
    STALE_PREDICTIONS = 42
    # gating
    GATE_OFF = 50  # switched off, or no calibrated classifier: factor 1
    BARRIER_BLOCK = 51
    SPREAD_TOO_WIDE = 52
    QUOTE_STALE = 53
    QUOTE_CROSSED = 54
    QUOTE_MISSING = 55
    # sizing
    SIZED = 60
    BELOW_MIN_ENTRY = 61
    WITHIN_BAND = 62  # a resize smaller than the no-trade band
    BELOW_RESERVE = 63  # a resize whose net alpha is below the reserve
    BELOW_LOT = 64  # rounds to nothing, or below the minimum notional
    CAPPED = 65  # increase scaled by the gross, net or per-name cap
    DRIFT_CUT = 66  # held beyond a cap by drift
    VOL_UNKNOWN = 67
    GATED = 68  # an entry or increase that a gate, cooldown or trading state does not allow; its own record says which
    # risk and orders
    ORDERED = 70
    REJECTED = 71  # a pre-trade rule refused the order; see its rule_id
    WORKING_ORDER = 72  # an order for this symbol is still working
    COOLDOWN = 73
    REDUCE_ONLY = 74
    HALTED = 75
    GUARDRAIL = 76  # a tripped guardrail flattens or refuses
    SESSION_CLOSED = 77  # nothing can fill any more in this session
    NOT_SELECTED = 79  # in the universe, not among the symbols to trade
    CANCEL_WORKING = 78  # an exit is wanted while an entry works: that is cancelled first


REASON_TEXT: dict[Reason, str] = {reason: reason.name.lower() for reason in Reason}
