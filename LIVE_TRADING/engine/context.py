"""What every handler of the core is given besides the state: the run, its parts, and where each symbol stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.engine.assembly import Assembly
from LIVE_TRADING.engine.book import Account, account_of
from LIVE_TRADING.engine.commands import Command
from LIVE_TRADING.engine.state import CoreState

Step = tuple[CoreState, list[Command]]  # what a handler returns: the whole new state, and what follows


@dataclass(frozen=True)
class CoreContext:
    """The constants of a run. A handler is a function of (context, state, event, now); it changes none of them."""

    run: RunStarted
    parts: Assembly

    @cached_property
    def column(self) -> dict[str, int]:
        """Column of each symbol in the arrays."""
        return {symbol: column for column, symbol in enumerate(self.run.symbols)}

    def account(self, state: CoreState) -> Account:
        """Return the book marked at the last trades or closes."""
        return account_of(state.ledger, state.quotes, self.column, self.run.currency)

    def can_fill(self, slot: int, n_bars: int) -> bool:
        """Return whether a bar follows in this session that could fill an order sent now."""
        return not self.parts.session_ends or slot < n_bars - 1

    def is_warmup(self, cycle_time_ns: int) -> bool:
        """Return whether a cycle forecasts without deciding."""
        return cycle_time_ns <= self.run.warmup_until_ns
