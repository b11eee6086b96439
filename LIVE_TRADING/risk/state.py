"""What risk remembers between two events, and what it says of the account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.types import record_dict


class TradingState(StrEnum):
    """What orders may pass, from everything to nothing."""

    ACTIVE = "active"
    REDUCE_ONLY = "reduce_only"
    HALTED = "halted"


SEVERITY = (TradingState.ACTIVE, TradingState.REDUCE_ONLY, TradingState.HALTED)


@dataclass(frozen=True, slots=True)
class Latch:
    """Something that restricts trading until an operator lifts it."""

    rule_id: str
    state: TradingState
    message: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class Release:
    """An operator's lifting of latches."""

    action: str
    reason: str
    time_ns: int
    lifted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RiskMemory:
    """What a restart must not forget.

    peak_equity_usd            highest equity, the starting equity counted; moved by deposits in proportion
    session_open_equity_usd    equity at the session's open; moved by deposits in proportion
    session_date               ISO date of that session, empty before the first
    deposits_usd               deposits less withdrawals since that open
    latches                    what restricts trading, oldest first
    last_release               the last lifting
    """

    peak_equity_usd: Decimal
    session_open_equity_usd: Decimal
    session_date: str = ""
    deposits_usd: Decimal = Decimal(0)
    latches: tuple[Latch, ...] = ()
    last_release: Release | None = None

    @property
    def state(self) -> TradingState:
        """Return the strictest state of any latch."""
        if not self.latches:
            return TradingState.ACTIVE
        return max((latch.state for latch in self.latches), key=SEVERITY.index)

    def latch_of(self, rule_id: str) -> Latch | None:
        """Return the oldest latch of a rule, None where it has not tripped or was lifted."""
        return next((latch for latch in self.latches if latch.rule_id == rule_id), None)

    def to_dict(self) -> dict[str, Any]:
        """Return the memory as JSON values; `state` is for readers and follows from the latches."""
        return {
            "state": self.state.value,
            "peak_equity_usd": str(self.peak_equity_usd),
            "session_open_equity_usd": str(self.session_open_equity_usd),
            "session_date": self.session_date,
            "deposits_usd": str(self.deposits_usd),
            "latches": [{**record_dict(latch), "state": latch.state.value} for latch in self.latches],
            "last_release": _release_dict(self.last_release),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RiskMemory:
        """Return the memory that `to_dict` wrote.

        Raises
        ------
        StateError
            A field is missing, unknown or of another kind, or the state does not follow from the latches. Whoever reads
            this treats trading as halted.
        """
        try:
            memory = _read(data)
            if data["state"] != memory.state.value or data.keys() != memory.to_dict().keys():
                raise ValueError(f"state {data['state']!r} does not follow from the latches, or a field is unknown")
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
            raise StateError(
                f"risk state cannot be read ({error!r}); trading stays halted: restore the previous checkpoint"
            ) from error
        return memory


@dataclass(frozen=True, slots=True)
class RiskStatus:
    """The account as the guardrails see it; ratios are negative for a loss, NaN where equity is unknown.

    `flatten`: a guardrail has tripped and the configuration asks to leave every position. `tripped` holds all latches,
    `newly_tripped` those of this evaluation.
    """

    state: TradingState
    equity_usd: float
    drawdown_frac: float
    daily_loss_frac: float
    gross: float
    net: float
    flatten: bool
    tripped: tuple[Latch, ...]
    newly_tripped: tuple[Latch, ...] = field(default=())


def _release_dict(release: Release | None) -> dict[str, Any] | None:
    return None if release is None else {**record_dict(release), "lifted": list(release.lifted)}


def _read(data: Mapping[str, Any]) -> RiskMemory:
    release = data["last_release"]
    return RiskMemory(
        peak_equity_usd=_amount(data["peak_equity_usd"]),
        session_open_equity_usd=_amount(data["session_open_equity_usd"]),
        session_date=_typed(data["session_date"], str),
        deposits_usd=_amount(data["deposits_usd"]),
        latches=tuple(_read_latch(entry) for entry in _typed(data["latches"], list)),
        last_release=None if release is None else _read_release(release),
    )


def _read_latch(entry: Mapping[str, Any]) -> Latch:
    state = TradingState(entry["state"])
    if state is TradingState.ACTIVE:
        raise ValueError("a latch restricts, it cannot be active")
    texts = _typed(entry["rule_id"], str), _typed(entry["message"], str)
    return Latch(texts[0], state, texts[1], _typed(entry["time_ns"], int))


def _read_release(entry: Mapping[str, Any]) -> Release:
    lifted = tuple(_typed(name, str) for name in _typed(entry["lifted"], list))
    texts = _typed(entry["action"], str), _typed(entry["reason"], str)
    return Release(*texts, _typed(entry["time_ns"], int), lifted)


def _typed(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value


def _amount(value: Any) -> Decimal:
    amount = Decimal(_typed(value, str))
    if not amount.is_finite():
        raise ValueError(f"{value!r} is not a finite amount")
    return amount
