"""Code that would have decided otherwise, fed with the journal of a desk: what is on file is to win."""

from __future__ import annotations

from typing import Any

from core_desk import Desk, Wish, WishedDecisions, plan_of

from LIVE_TRADING.common.types import Action
from LIVE_TRADING.engine import deciding
from LIVE_TRADING.engine.journal import read_journal
from LIVE_TRADING.engine.recovery import FeedResult, feed_journal
from LIVE_TRADING.engine.state import CoreState


def what_happened(state: CoreState) -> dict[str, Any]:
    """What the records settle; what decisions were taken on (tickets, weights) is each code's own."""
    opened = [
        (record.order, record.status, record.reason, record.filled, record.cancel_asked_ns, record.cancel_reason)
        for record in state.orders.open.values()
    ]
    return {
        "open": opened,
        "closed": [(order_id, record.status, record.filled) for order_id, record in state.orders.closed.items()],
        "order_number": state.order_number,
        "last_order_ns": state.last_order_ns,
        "cash": state.ledger.cash,
        "held": {symbol: (held.quantity, held.horizon) for symbol, held in state.ledger.positions.items()},
        "cycles": (state.cycle_number, state.pending is None),
        "decisions": (state.digest.decision, state.digest.trace, state.digest.cycles),
    }


def fed_to_other_code(desk: Desk, wishes: dict[str, Wish]) -> tuple[FeedResult, CoreState]:
    """Feed the desk's journal to a core whose decisions are others, whatever the cycle."""
    assert desk.journal is not None
    core = plan_of(**desk.options).core()
    deciding.decide, decide = Other(wishes), deciding.decide  # type: ignore[assignment]
    try:
        fed = feed_journal(core, read_journal(desk.journal.folder))
    finally:
        deciding.decide = decide
    return fed, core.state


class Other(WishedDecisions):
    """Wants the same at every cycle, as far as it can be wanted: only what is held is left or kept."""

    def __init__(self, wants: dict[str, Wish]) -> None:
        super().__init__()
        self._wants = wants

    def __call__(self, stages: Any, predictions: Any, covariance: Any, view: Any, book: Any, selector: Any) -> Any:
        held = dict(zip(book.symbols, book.held_shares.tolist(), strict=True))
        self.wishes[book.moment.scheduled_time_ns] = {
            symbol: wish
            for symbol, wish in self._wants.items()
            if bool(held[symbol]) != (wish.action is Action.ENTER) or wish.action is Action.EXIT
        }
        return super().__call__(stages, predictions, covariance, view, book, selector)
