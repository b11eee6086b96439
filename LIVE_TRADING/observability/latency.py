"""Tells an operator of cycles that take too long: models, the engine's own work, and both together."""

from __future__ import annotations

from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.observability.emit import emit_error
from LIVE_TRADING.observability.events import EventType, Notice, Publisher, Severity

PREDICTION_S, STAGES_S, CYCLE_S = 0.2, 0.05, 2.0
SILENCE_NS = 15 * NS_PER_MINUTE  # a slow machine is slow in every cycle: one word in so long a time


class LatencyWatch:
    """Listens to cycles and says which took longer than it should; changes nothing.

    prediction  models of one cycle, 0.2 s: a warning
    stages      work of the engine in one cycle, blending and all other stages, 0.05 s: a warning
    cycle       both together, from features to orders, 2 s: an error
    """

    TYPES = (EventType.INFERENCE_COMPLETED, EventType.CYCLE_END)

    def __init__(self, bus: Publisher) -> None:
        self._bus = bus
        self._prediction: tuple[int, float] = (-1, 0.0)
        self._said_ns: dict[str, int] = {}

    def __call__(self, notice: Notice) -> None:
        """Take a notice of one of `TYPES`."""
        cycle_ns, took_s = notice.fields["cycle_time_ns"], notice.fields["duration_s"]
        if notice.type is EventType.INFERENCE_COMPLETED:
            self._prediction = (cycle_ns, took_s)
            self._judge("prediction", took_s, PREDICTION_S, notice.time_ns, Severity.WARNING)
            return
        predicted_s = self._prediction[1] if self._prediction[0] == cycle_ns else 0.0
        self._judge("stages", took_s, STAGES_S, notice.time_ns, Severity.WARNING)
        self._judge("cycle", predicted_s + took_s, CYCLE_S, notice.time_ns, Severity.ERROR)

    def _judge(self, what: str, took_s: float, limit_s: float, time_ns: int, severity: Severity) -> None:
        if took_s <= limit_s or time_ns - self._said_ns.get(what, -SILENCE_NS) < SILENCE_NS:
            return
        self._said_ns[what] = time_ns
        message = f"{what} took {took_s * 1e3:.0f} ms, more than {limit_s * 1e3:.0f} ms"
        emit_error(self._bus, time_ns, component="latency", message=message, severity=severity)
