"""Guardrails: losses that stop new risk until an operator lifts the stop. Pure: memory in, memory out."""

from __future__ import annotations

import math
from decimal import Decimal

from LIVE_TRADING.common.exceptions import RiskLimitError
from LIVE_TRADING.common.records import replaced
from LIVE_TRADING.risk.config import RiskConfig
from LIVE_TRADING.risk.exposure import Exposure
from LIVE_TRADING.risk.monitors import DailyLossMonitor, DrawdownMonitor
from LIVE_TRADING.risk.state import Latch, Release, RiskMemory, RiskStatus, TradingState

EQUITY_UNREADABLE = "equity_unreadable"
UNKNOWN_EXPOSURE = Exposure(math.nan, math.nan, math.nan, math.nan)


class RiskGuardrails:
    """Watches equity.

    drawdown     E/peak − 1 ≤ −max_drawdown_frac      reduce_only (`on_trip: flatten`: positions are left as well)
    daily loss   E/E_open − 1 ≤ −max_daily_loss_frac  the same
    equity that is NaN or infinite                    halted, also with `guardrails: false`: the book cannot be read

    Every trip latches. A latch survives restarts and sessions; only an operator lifts it, with `resume`, or with
    `reset`, which also measures anew from then on (after `resume` a loss that still stands trips again at once).

    A deposit or withdrawal moves peak and session open in the proportion in which it moves equity, so that it neither
    hides a loss nor makes one (time-weighted return).
    """

    def __init__(self, config: RiskConfig) -> None:
        self._enabled = config.guardrails
        self._flatten = config.on_trip == "flatten"
        self._drawdown = DrawdownMonitor(config.max_drawdown_frac)
        self._daily = DailyLossMonitor(config.max_daily_loss_frac)

    def initial(self, equity_usd: Decimal | float) -> RiskMemory:
        """Return the memory of an account that starts with this equity.

        Raises
        ------
        RiskLimitError
            The starting equity is not a positive amount.
        """
        equity = self._positive(equity_usd, "starting equity")
        return RiskMemory(peak_equity_usd=equity, session_open_equity_usd=equity)

    def open_session(self, memory: RiskMemory, session_date: str, equity_usd: Decimal | float) -> RiskMemory:
        """Return the memory with the daily loss measured from here.

        The same session again (a restart within it) changes nothing: a restart does not forgive a loss. Give the equity
        at the marks of the previous close, so that the overnight gap counts to the day it opens. Latches stay. Equity
        that cannot be read leaves the measure where it was; `evaluate` is what halts on it.
        """
        if session_date == memory.session_date:
            return memory
        equity = _decimal(equity_usd)
        if not equity.is_finite():
            return replaced(memory, session_date=session_date)
        return replaced(memory, session_date=session_date, session_open_equity_usd=equity, deposits_usd=Decimal(0))

    def evaluate(
        self,
        memory: RiskMemory,
        equity_usd: Decimal | float,
        time_ns: int,
        exposure: Exposure = UNKNOWN_EXPOSURE,
    ) -> tuple[RiskMemory, RiskStatus]:
        """Look at the account.

        Parameters
        ----------
        memory
            What was known before.
        equity_usd
            Cash and positions marked to market; NaN or infinite halts.
        time_ns
            Now, for the latch.
        exposure
            Passed on into the status.

        Returns
        -------
        memory, status
            The memory with a higher peak and new latches, if any; the account as it stands.
        """
        equity = _decimal(equity_usd)
        before = memory
        if not equity.is_finite():
            memory = self.halt(memory, EQUITY_UNREADABLE, f"equity is {equity}", time_ns)
            return memory, self._status(before, memory, equity, exposure)
        if equity > memory.peak_equity_usd:
            memory = replaced(memory, peak_equity_usd=equity)
        if self._enabled:
            memory = self._trip(memory, self._drawdown, equity, memory.peak_equity_usd, "peak", time_ns)
            memory = self._trip(memory, self._daily, equity, memory.session_open_equity_usd, "session open", time_ns)
        return memory, self._status(before, memory, equity, exposure)

    def flattens(self, memory: RiskMemory) -> bool:
        """Return whether a guardrail has tripped that is configured to leave every position."""
        losses = (self._drawdown.rule_id, self._daily.rule_id)
        return self._flatten and any(latch.rule_id in losses for latch in memory.latches)

    def halt(self, memory: RiskMemory, rule_id: str, message: str, time_ns: int) -> RiskMemory:
        """Return the memory with everything stopped, by kill switch, failed handler or unreadable state."""
        return _latched(memory, Latch(rule_id, TradingState.HALTED, message, time_ns))

    def restrict(self, memory: RiskMemory, rule_id: str, message: str, time_ns: int) -> RiskMemory:
        """Return the memory with new risk stopped, by a breaker or a degraded start."""
        return _latched(memory, Latch(rule_id, TradingState.REDUCE_ONLY, message, time_ns))

    def resume(self, memory: RiskMemory, reason: str, time_ns: int) -> RiskMemory:
        """Lift every latch."""
        return self._released(memory, "resume", reason, time_ns)

    def lift(self, memory: RiskMemory, rule_id: str, action: str, reason: str, time_ns: int) -> RiskMemory:
        """Lift the latches of one rule, those of others stay."""
        kept = tuple(latch for latch in memory.latches if latch.rule_id != rule_id)
        if kept == memory.latches:
            return memory
        return replaced(memory, latches=kept, last_release=Release(action, reason, time_ns, (rule_id,)))

    def reset(self, memory: RiskMemory, equity_usd: Decimal | float, reason: str, time_ns: int) -> RiskMemory:
        """Lift every latch and measure drawdown and daily loss from this equity.

        Raises
        ------
        RiskLimitError
            The equity is not a positive amount.
        """
        equity = self._positive(equity_usd, "equity to reset to")
        released = self._released(memory, "reset", reason, time_ns)
        return replaced(released, peak_equity_usd=equity, session_open_equity_usd=equity, deposits_usd=Decimal(0))

    def deposit(self, memory: RiskMemory, amount_usd: Decimal, equity_before_usd: Decimal | float) -> RiskMemory:
        """Return the memory after cash came in (negative: went out), given the equity just before.

        Raises
        ------
        RiskLimitError
            The amount is not finite, or equity before or after is not positive: there is no proportion to keep.
        """
        before = self._positive(equity_before_usd, "equity before a deposit")
        after = self._positive(before + amount_usd, "equity after a deposit")
        return replaced(
            memory,
            peak_equity_usd=memory.peak_equity_usd * after / before,
            session_open_equity_usd=memory.session_open_equity_usd * after / before,
            deposits_usd=memory.deposits_usd + amount_usd,
        )

    def _trip(
        self,
        memory: RiskMemory,
        monitor: DrawdownMonitor | DailyLossMonitor,
        equity: Decimal,
        base: Decimal,
        base_name: str,
        time_ns: int,
    ) -> RiskMemory:
        if not monitor.tripped(equity, base):
            return memory
        message = (
            f"equity {equity:.2f} USD is {-monitor.change_frac(equity, base):.2%} below the {base_name} of "
            f"{base:.2f} USD; the limit is {monitor.limit_frac:.2%}"
        )
        return _latched(memory, Latch(monitor.rule_id, TradingState.REDUCE_ONLY, message, time_ns))

    def _status(self, before: RiskMemory, after: RiskMemory, equity: Decimal, exposure: Exposure) -> RiskStatus:
        known = equity.is_finite()
        return RiskStatus(
            state=after.state,
            equity_usd=float(equity),
            drawdown_frac=self._drawdown.change_frac(equity, after.peak_equity_usd) if known else math.nan,
            daily_loss_frac=self._daily.change_frac(equity, after.session_open_equity_usd) if known else math.nan,
            gross=exposure.gross,
            net=exposure.net,
            flatten=self.flattens(after),
            tripped=after.latches,
            newly_tripped=after.latches[len(before.latches) :],
        )

    @staticmethod
    def _released(memory: RiskMemory, action: str, reason: str, time_ns: int) -> RiskMemory:
        lifted = tuple(latch.rule_id for latch in memory.latches)
        return replaced(memory, latches=(), last_release=Release(action, reason, time_ns, lifted))

    @staticmethod
    def _positive(amount_usd: Decimal | float, what: str) -> Decimal:
        amount = _decimal(amount_usd)
        if not amount.is_finite() or amount <= 0:
            raise RiskLimitError(f"{what} is {amount} USD; it must be a positive amount")
        return amount


def _decimal(amount: Decimal | float) -> Decimal:
    return amount if isinstance(amount, Decimal) else Decimal(repr(float(amount)))


def _latched(memory: RiskMemory, latch: Latch) -> RiskMemory:
    """Add a latch; the first of its kind stays, with its time and message."""
    if any((held.rule_id, held.state) == (latch.rule_id, latch.state) for held in memory.latches):
        return memory
    return replaced(memory, latches=(*memory.latches, latch))
