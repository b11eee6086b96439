"""Types, severities and the form of notices; one emitter per type."""

# covers: P19, P23

from __future__ import annotations

import inspect

import pytest
from notice_samples import EMITTERS, emit_all, sample_arguments

from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.events import SEVERITY, EventType, Notice, Severity


def test_every_type_has_exactly_one_emitter() -> None:
    assert sorted(EMITTERS) == sorted(f"emit_{kind.value}" for kind in EventType)
    assert sorted(emit.__all__) == sorted(EMITTERS)
    assert len(EventType) >= 25


@pytest.mark.parametrize("kind", EventType)
def test_each_emitter_emits_its_type_and_says_its_arguments(kind: EventType) -> None:
    heard: list[Notice] = []

    class Ear:
        def emit(self, notice: Notice) -> None:
            heard.append(notice)

    emitter = EMITTERS[f"emit_{kind.value}"]
    arguments = sample_arguments(emitter)
    emitter(Ear(), 5, **arguments)
    (notice,) = heard
    assert (notice.type, notice.time_ns) == (kind, 5)
    said = set(notice.fields) | {"order", "expected"}
    assert set(arguments) <= said
    assert inspect.getdoc(emitter)


def test_every_type_has_a_severity_that_rises_with_trouble() -> None:
    assert set(SEVERITY) == set(EventType)
    assert [severity.level for severity in Severity] == [10, 20, 30, 40, 50]
    assert SEVERITY[EventType.CYCLE_END] is Severity.DEBUG
    assert SEVERITY[EventType.KILL_SWITCH] is Severity.CRITICAL


def test_a_notice_may_carry_its_own_severity() -> None:
    by_type: dict[str, Notice] = {}

    class Ear:
        def emit(self, notice: Notice) -> None:
            by_type[str(notice.fields.get("new", notice.fields.get("reason")))] = notice

    for state in ("active", "reduce_only", "halted"):
        emit.emit_trading_state_changed(Ear(), 1, old="active", new=state, rule_id="r", message="m")
    for expected in (True, False):
        emit.emit_broker_disconnected(Ear(), 1, broker="paper", reason=str(expected), expected=expected)
    assert {name: notice.severity.value for name, notice in by_type.items()} == {
        "active": "info",
        "reduce_only": "error",
        "halted": "critical",
        "True": "info",
        "False": "error",
    }


def test_a_notice_is_told_flat() -> None:
    notice = Notice(EventType.ERROR, 1_500_000_000, {"component": "feed", "message": "m"})
    assert notice.to_dict() == {
        "type": "error",
        "time_utc": "1970-01-01T00:00:01.5Z",
        "component": "feed",
        "message": "m",
    }
    assert notice.severity is Severity.ERROR


def test_the_samples_cover_every_type() -> None:
    heard: list[EventType] = []

    class Ear:
        def emit(self, notice: Notice) -> None:
            heard.append(notice.type)

    emit_all(Ear())
    assert sorted(heard) == sorted(EventType)
