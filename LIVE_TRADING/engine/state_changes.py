"""What to say when the trading state has moved."""

from __future__ import annotations

from LIVE_TRADING.engine.commands import Command, TradingStateChanged
from LIVE_TRADING.risk import RiskMemory


def state_changes(before: RiskMemory, after: RiskMemory) -> list[Command]:
    """Return what to say about the trading state, nothing where nothing moved."""
    if before.state is after.state and before.latches == after.latches:
        return []
    latch = after.latches[-1] if after.latches else None
    return [
        TradingStateChanged(
            before.state.value,
            after.state.value,
            latch.rule_id if latch is not None else "operator",
            latch.message if latch is not None else "lifted",
        )
    ]
