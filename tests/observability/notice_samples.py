"""One sample of every notice, made from the signatures of the emitters."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from LIVE_TRADING.common.types import Leg, Order, Side
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.events import Publisher, Severity

EMITTERS: dict[str, Callable[..., None]] = {
    name: function for name, function in inspect.getmembers(emit, inspect.isfunction) if name.startswith("emit_")
}
ORDER = Order("id", 1, "AAPL", Side.BUY, Decimal(3), Leg.ENTRY, 7)
_BY_TYPE: dict[Any, Any] = {
    str: "active",
    int: 3,
    float: 0.25,
    bool: True,
    Decimal: Decimal("1.5"),
    Order: ORDER,
    tuple[str, ...]: ("AAPL", "MSFT"),
    float | None: 0.5,
    Mapping[str, int]: {"below_cost": 2},
    Mapping[str, float]: {"5m": 0.5},
    Mapping[str, Mapping[str, int]]: {"arbitration": {"below_cost": 2}},
    Severity: Severity.ERROR,
}


def sample_arguments(emitter: Callable[..., None]) -> dict[str, Any]:
    """Return a value for every argument after bus and time."""
    hints = typing.get_type_hints(emitter)
    return {
        name: _BY_TYPE[hints[name]]
        for name, parameter in inspect.signature(emitter).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def emit_all(bus: Publisher, time_ns: int = 1) -> None:
    """Emit one notice of every type."""
    for _, emitter in sorted(EMITTERS.items()):
        emitter(bus, time_ns, **sample_arguments(emitter))
