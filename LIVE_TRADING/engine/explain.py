"""Why a symbol was traded or not: stage by stage, value against threshold, read from the trace and nothing else."""

from __future__ import annotations

from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.common.units import iso_utc
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.cycle import STAGES, CycleResult, DecisionTrace


def explain(result: CycleResult, symbol: str, config: EngineConfig) -> list[str]:
    """Return one line per stage for one symbol of a cycle.

    Raises
    ------
    KeyError
        The symbol is not in the universe.
    """
    if symbol not in result.symbols:
        raise KeyError(symbol)
    lines = [f"cycle {result.cycle_number}, {iso_utc(result.scheduled_time_ns)}, {symbol}"]
    trace = result.trace
    if trace is None:
        return [*lines, "warm-up: forecasts were made, nothing was decided"]
    column = result.symbols.index(symbol)
    reasons = [REASON_TEXT[Reason(code)] for code in trace.reasons[:, column].tolist()]
    details = (
        _prediction(trace, column),
        _blending(trace, column),
        _arbitration(trace, column, config),
        f"size factor {trace.barrier.factor[column]:.2f}",
        f"spread {trace.spread.spread_bps[column]:.2f} bps (at most {config.gating.spread.max_spread_bps:g}), quote "
        f"{trace.spread.quote_age_s[column]:.0f} s old (at most {_quote_age_limit(config)})",
        _sizing(trace, column, config),
        _risk(result, symbol),
    )
    lines += [f"{stage:<13}{reason:<20}{text}" for stage, reason, text in zip(STAGES, reasons, details, strict=True)]
    settled, code = trace.deciding_stage()
    lines.append(f"settled by {STAGES[settled[column]]}: {REASON_TEXT[Reason(int(code[column]))]}")
    return lines


def _quote_age_limit(config: EngineConfig) -> str:
    limit_s = config.gating.spread.max_quote_age_s
    return "one bar" if limit_s is None else f"{limit_s:g}"


def _prediction(trace: DecisionTrace, column: int) -> str:
    predictions = trace.predictions
    parts = [
        f"{horizon}/{family} z {predictions.z[h, m, column]:+.2f} c {predictions.confidence[h, m, column]:.4f}"
        for h, horizon in enumerate(predictions.horizons)
        for m, family in enumerate(predictions.families)
    ]
    return "; ".join(parts)


def _blending(trace: DecisionTrace, column: int) -> str:
    blend = trace.blend
    parts = [f"{name} {blend.alpha_bps[h, column]:+.3f}" for h, name in enumerate(blend.horizons)]
    return f"alpha bps: {', '.join(parts)}"


def _arbitration(trace: DecisionTrace, column: int, config: EngineConfig) -> str:
    chosen = trace.arbitration
    row = int(chosen.horizon[column])
    name = trace.blend.horizons[row] if row >= 0 else "none"
    nets = ", ".join(f"{net:+.2f}" for net in chosen.net_bps[:, column].tolist())
    action = Action(int(chosen.action[column])).name.lower()
    return (
        f"{action} {name}; cost {chosen.cost_bps[column]:.2f} bps, net by horizon {nets} "
        f"(at least {config.arbitration.reserve_bps:g})"
    )


def _sizing(trace: DecisionTrace, column: int, config: EngineConfig) -> str:
    sizing = trace.sizing
    return (
        f"raw weight {sizing.raw_weight[column]:+.4f}, target {sizing.target_weight[column]:+.4f}, "
        f"{sizing.target_shares[column]:+.10g} shares (band {config.sizing.band_weight:g}, "
        f"entry at least {config.sizing.min_entry_weight:g})"
    )


def _risk(result: CycleResult, symbol: str) -> str:
    orders = [f"{o.leg} {o.side} {o.quantity}" for o in result.orders if o.symbol == symbol]
    refused = [f"{r.rule_id}: {r.message}" for r in result.rejections if r.symbol == symbol]
    return "; ".join([*orders, *refused]) or "no order"
