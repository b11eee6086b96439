"""The rows of the budget, and what a measurement says of one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Measured:
    """One line of the table: what was measured, the figure, the budget, and whether it is met (None: it has none)."""

    row: str
    what: str
    figure: str
    budget: str = ""
    met: bool | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def at_most(row: str, what: str, value: float, limit: float, unit: str, note: str = "") -> Measured:
    return Measured(row, what, f"{value:.3g} {unit}".strip(), f"≤ {limit:g} {unit}".strip(), value <= limit, note)


def at_least(row: str, what: str, value: float, limit: float, unit: str, note: str = "") -> Measured:
    shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
    return Measured(row, what, f"{shown} {unit}".strip(), f"≥ {limit:,g} {unit}".strip(), value >= limit, note)


TITLES = {
    "1": "one cycle, features to orders, 18 models by plain `Booster.predict`",
    "2": "compiled forest against `Booster.predict`, and a cycle with it",
    "3": "live cycle at 100 symbols with journal and checkpoints, compiled forest",
    "4": "backtest, 81 symbols, 5-minute bars, 18 models",
    "5": "reference workload, a rule in place of models",
    "6": "cost against size; memory with full reports",
    "7": "engine events through journal, risk and ledger",
    "8": "decision to order on the wire",
    "9": "persistence per cycle",
    "10": "restart: pause of a checkpoint, time to be ready, speed of a replay",
    "11": "100,000 cycles at N = 100, ridge in place of trees",
    "B2": "handling of fills beside a model call of 200 ms, family by family",
    "B4": "a trade or quote between bars",
    "15": "`python -m bin.run_live_trading --help`",
}
NOT_YET = {
    "12": "observability on against off",
    "13": "100 WebSocket clients",
    "14": "sweep, two workers against one",
}
