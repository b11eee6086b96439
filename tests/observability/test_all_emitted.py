"""No type of notice exists that nothing emits: each is called for somewhere, and heard of a running engine."""

# covers: P19

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from LIVE_TRADING.observability import EventType, NoticeBus
from LIVE_TRADING.observability.metrics import MetricsCollector
from tests.support import scripted_sessions as sessions
from tests.support.told import Ear

REPO = Path(__file__).resolve().parents[2]
EMITTING = ("alerting", "cli", "engine", "observability")


def called() -> dict[str, list[str]]:
    """Return emitter to the files that call it, the definitions left out."""
    calls: dict[str, list[str]] = {}
    for path in sorted(path for folder in EMITTING for path in (REPO / "LIVE_TRADING" / folder).rglob("*.py")):
        if path.parent.name == "observability" and path.name.startswith("emit"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name.startswith("emit_"):
                    calls.setdefault(name, []).append(path.relative_to(REPO).as_posix())
    return calls


CALLS = called()


@pytest.mark.parametrize("kind", EventType)
def test_each_type_is_emitted_somewhere(kind: EventType) -> None:
    assert CALLS.get(f"emit_{kind.value}"), f"nothing calls emit_{kind.value}"


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ear]:
    """Return what was heard of every scripted session through the real shell; every notice was counted as well."""
    metrics = MetricsCollector()
    told: dict[str, Ear] = {}

    def listen(name: str, session: Callable[[NoticeBus], object]) -> None:
        bus, told[name] = sessions.listened()
        bus.subscribe("metrics", metrics)
        session(bus)
        assert set(bus.failures) <= {"broken"}

    listen("ordinary", lambda bus: sessions.ordinary(tmp_path_factory.mktemp("ordinary"), bus))
    listen("bad_venue", sessions.bad_venue)
    listen("guarded", sessions.guarded)
    listen("picky", sessions.picky)
    listen("crooked_model", sessions.crooked_model)
    listen("dying_disk", lambda bus: sessions.dying_disk(tmp_path_factory.mktemp("disk"), bus))
    listen("resumed", lambda bus: sessions.stopped_and_resumed(tmp_path_factory.mktemp("resumed"), bus))
    listen("with_models", lambda bus: sessions.with_models(tmp_path_factory.mktemp("models"), bus))
    listen("limited", sessions.limited)
    for kind in EventType:
        counted = metrics.registry.get_sample_value("live_trading_notices_total", {"type": kind.value})
        assert counted == sum(len(ear.of(kind)) for ear in told.values())
    return told


@pytest.mark.parametrize("kind", EventType)
def test_each_type_is_heard_of_a_running_engine(heard: dict[str, Ear], kind: EventType) -> None:
    assert [name for name, ear in heard.items() if kind in ear.kinds], f"no session told {kind.value}"


def test_nothing_goes_wrong_in_telling(heard: dict[str, Ear]) -> None:
    errors = [notice.fields for ear in heard.values() for notice in ear.of(EventType.ERROR)]
    assert errors
    assert [fields for fields in errors if fields["component"] == "announcer"] == []


def test_every_session_starts_and_stops(heard: dict[str, Ear]) -> None:
    for ear in heard.values():
        assert ear.notices[0].type is EventType.ENGINE_START
        assert ear.notices[-1].type is EventType.ENGINE_STOP
