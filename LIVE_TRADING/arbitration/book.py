"""What arbitration must know besides the forecasts: what is held, and where in the session we are."""

from __future__ import annotations

from dataclasses import dataclass

from LIVE_TRADING.common.types import BoolArray, CodeArray


@dataclass(frozen=True, slots=True, eq=False)
class HeldBook:
    """Positions, shape (N,) each.

    `side` -1, 0 or +1; `horizon` the row of the horizon a position is held for, -1 if there is none (flat, or taken
    over from the venue without one); `elapsed` whether that horizon is over.
    """

    side: CodeArray
    horizon: CodeArray
    elapsed: BoolArray


@dataclass(frozen=True, slots=True)
class CycleMoment:
    """Where a cycle stands: the decision falls at the end of bar `slot` (0-based) and fills in bar `slot + 1`.

    `session_ends` is False for a market that never closes: its sessions are for statistics only, nothing is closed or
    barred at their end. `stale_predictions`: the predictions came too late for entries.
    """

    scheduled_time_ns: int
    slot: int
    n_bars_session: int
    session_ends: bool = True
    stale_predictions: bool = False

    @property
    def closing(self) -> bool:
        """Return whether an entry now could no longer be left within the session."""
        return self.session_ends and self.slot >= self.n_bars_session - 2
