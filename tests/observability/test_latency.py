"""Cycles that take too long are told: models, the engine's own work, and both together."""

from __future__ import annotations

# covers: P25
import pytest

from LIVE_TRADING.observability import EventType, NoticeBus, Severity
from LIVE_TRADING.observability import emit_cycle as emit
from LIVE_TRADING.observability.latency import SILENCE_NS, LatencyWatch
from tests.support.told import Ear


def told(*cycles: tuple[int, float, float]) -> list[tuple[str, Severity]]:
    """What is said of cycles given as (time, seconds of the models, seconds of the engine's work)."""
    bus, ear = NoticeBus(), Ear()
    bus.subscribe("ear", ear, [EventType.ERROR])
    bus.subscribe("latency", LatencyWatch(bus), LatencyWatch.TYPES)
    for at, models_s, work_s in cycles:
        emit.emit_inference_completed(bus, at, cycle_time_ns=at, duration_s=models_s)
        emit.emit_cycle_end(bus, at, cycle_time_ns=at, cycle=1, orders=0, rejections=0, decisions={}, duration_s=work_s)
    assert not bus.failures
    return [(notice.fields["message"].split()[0], notice.severity) for notice in ear.of(EventType.ERROR)]


@pytest.mark.parametrize(
    ("models_s", "work_s", "said"),
    [
        pytest.param(0.2, 0.05, [], id="at-the-limits-nothing-is-said"),
        pytest.param(0.21, 0.01, [("prediction", Severity.WARNING)], id="slow-models"),
        pytest.param(0.1, 0.06, [("stages", Severity.WARNING)], id="slow-stages"),
        pytest.param(
            1.99, 0.02, [("prediction", Severity.WARNING), ("cycle", Severity.ERROR)], id="together-over-two-seconds"
        ),
    ],
)
def test_what_is_slow_is_named(models_s: float, work_s: float, said: list[tuple[str, Severity]]) -> None:
    assert told((10**18, models_s, work_s)) == said


def test_a_machine_that_stays_slow_is_told_once_in_a_while() -> None:
    start, step = 10**18, SILENCE_NS // 3
    slow = [(start + number * step, 0.3, 0.0) for number in range(4)]
    assert told(*slow) == [("prediction", Severity.WARNING)] * 2


def test_models_of_another_cycle_do_not_count() -> None:
    bus, ear = NoticeBus(), Ear()
    bus.subscribe("ear", ear, [EventType.ERROR])
    watch = LatencyWatch(bus)
    bus.subscribe("latency", watch, LatencyWatch.TYPES)
    emit.emit_inference_completed(bus, 10**18, cycle_time_ns=1, duration_s=3.0)
    emit.emit_cycle_end(bus, 10**18, cycle_time_ns=2, cycle=1, orders=0, rejections=0, decisions={}, duration_s=0.01)
    assert [notice.fields["message"].split()[0] for notice in ear.of(EventType.ERROR)] == ["prediction"]
