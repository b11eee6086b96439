"""Telling changes nothing, tells what is on file, and says no more than happened."""

from __future__ import annotations

# covers: P19, B9
import base64
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from LIVE_TRADING.common.codec import decode
from LIVE_TRADING.common.events import OrderFill, PredictionsReady, Stamped
from LIVE_TRADING.common.reasons import REASON_TEXT, Reason
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.announcer import Announcer
from LIVE_TRADING.engine.commands import Command, CycleDecided
from LIVE_TRADING.engine.cycle import STAGES
from LIVE_TRADING.engine.cycle_notices import reason_text
from LIVE_TRADING.engine.journal import FOLDER, JournalRecord, read_journal
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability import EventType, Notice, NoticeBus, Severity, emit
from LIVE_TRADING.observability.metrics import MetricsCollector
from tests.support import scripted_sessions as sessions
from tests.support.journals import last_segment
from tests.support.runs import run_backtest
from tests.support.scripted_sessions import LOW_COST_CONFIG, bar_end, listened, panel, start_ns
from tests.support.told import Ear, MoodyBroker, run_told

N_SYMBOLS = 12


class Journaled:
    """A journal as lists of what it holds."""

    def __init__(self, state_dir: Path) -> None:
        records: list[JournalRecord] = list(read_journal(state_dir / FOLDER))
        self.events = [(record.t_ns, decode(record.data)) for record in records if record.kind == "event"]
        self._commands = [
            (record.t_ns, *entry) for record in records if record.kind == "commands" for entry in record.data
        ]

    def commands(self, name: str) -> list[dict[str, Any]]:
        return [fields for _, kind, fields in self._commands if kind == name]

    def decided(self) -> list[dict[str, Any]]:
        return [fields for fields in self.commands("CycleDecided") if not fields["warmup"]]

    def reasons(self) -> Iterator[tuple[int, np.ndarray]]:
        """Yield cycle time and reason codes (S, N) of every decision."""
        for fields in self.decided():
            codes = np.frombuffer(base64.b64decode(fields["reasons"]), dtype="<i2")
            yield fields["cycle_time_ns"], codes.reshape(len(STAGES), -1)


@dataclass(frozen=True)
class Told:
    """A session, what was heard of it, what was counted, and what is on file."""

    engine: TradingEngine
    ear: Ear
    metrics: MetricsCollector
    journal: Journaled

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"live_trading_{name}", labels) or 0.0


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    state_dir = tmp_path_factory.mktemp("ordinary")
    bus, ear = listened()
    metrics = MetricsCollector()
    bus.subscribe("metrics", metrics)
    engine = sessions.ordinary(state_dir, bus)
    assert not bus.failures
    return Told(engine, ear, metrics, Journaled(state_dir))


def raises(notice: Notice) -> None:
    raise ZeroDivisionError(notice.type)


def test_listening_changes_no_decision(told: Told, tmp_path: Path) -> None:
    silent = sessions.ordinary(tmp_path / "silent", None)
    bus = NoticeBus()
    bus.subscribe("broken", raises)
    broken = sessions.ordinary(tmp_path / "broken", bus)
    digests = told.engine.core.state.digest
    assert digests.fill_count > 100
    assert silent.core.state.digest.texts() == broken.core.state.digest.texts() == digests.texts()
    assert bus.failures["broken"] > len(told.ear.notices) - 5
    one, other = (list(Journaled(tmp_path / name)._commands) for name in ("silent", "broken"))
    assert one == other == told.journal._commands


def test_a_mistake_in_telling_is_told_and_changes_no_decision(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(bus: NoticeBus | None) -> dict[str, str]:
        return run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), max_cycles=8).core.state.digest.texts()

    expected = run(None)
    monkeypatch.setattr(
        "LIVE_TRADING.engine.cycle_notices.CycleNotices.decided", lambda *_: (_ for _ in ()).throw(KeyError("x"))
    )
    bus, ear = listened()
    assert run(bus) == expected
    errors = ear.of(EventType.ERROR)
    assert {notice.fields["component"] for notice in errors} == {"announcer"}
    assert errors[0].fields["message"] == "PredictionsReady: KeyError: 'x'"


def test_counters_equal_the_journal(told: Told) -> None:
    journal, value = told.journal, told.value
    fills = [event for _, event in journal.events if isinstance(event, OrderFill)]
    assert value("notices_total", type="order_submitted") == len(journal.commands("SubmitOrder")) > 100
    assert value("notices_total", type="order_filled") == len(fills) > 100
    by_side = Counter(fill.side.value for fill in fills)
    legs = ("entry", "exit", "resize", "flatten")
    for side, count in by_side.items():
        assert sum(value("fills_total", leg=leg, side=side) for leg in legs) == count
    assert value("fees_total", currency="USD") == pytest.approx(float(sum(fill.commission for fill in fills)))
    notional = sum(fill.fill_price * fill.fill_amount for fill in fills)
    assert value("filled_notional_total", currency="USD") == pytest.approx(float(notional))
    assert value("cycle_seconds_count") == len(journal.decided()) > 40
    assert value("cycle_time_seconds") == journal.decided()[-1]["cycle_time_ns"] / 1e9
    trades = [fields["trade"] for fields in journal.commands("TradeClosed")]
    assert sum(value("trades_closed_total", side="long", result=r) for r in ("win", "loss", "flat")) == sum(
        trade["side"] > 0 for trade in trades
    )
    net = sum(Decimal(trade["gross_pnl"]) - Decimal(trade["fees"]) for trade in trades)
    assert value("trades_net_pnl") == pytest.approx(float(net))
    assert value("inference_seconds_count") == len(journal.commands("RunInference"))
    skipped = Counter(fields["reason"] for fields in journal.commands("CycleSkipped"))
    assert value("notices_total", type="cycle_aborted") == skipped.pop("timeout") == 1
    assert value("notices_total", type="cycle_skipped") == sum(skipped.values()) > 0
    assert value("notices_total", type="bandit_updated") == len(journal.commands("BanditUpdated"))


def test_gauges_equal_the_last_mark(told: Told) -> None:
    last = told.journal.commands("AccountMarked")[-1]
    assert told.value("equity_usd") == float(last["equity"])
    assert told.value("cash_usd") == float(last["cash"])
    assert told.value("positions") == last["n_positions"]
    assert told.value("drawdown_frac") == pytest.approx(last["drawdown_frac"])
    assert told.value("gross_frac") == pytest.approx(last["gross"])


def test_rejections_equal_the_journal(tmp_path: Path) -> None:
    metrics, (bus, ear) = MetricsCollector(), listened()
    bus.subscribe("metrics", metrics)
    run_told(panel(), sessions.PICKY, bus, start_ns=start_ns(), state_dir=tmp_path)
    refused = [no for fields in Journaled(tmp_path).decided() for no in fields["rejections"]]
    by_rule = Counter(no["rule_id"] for no in refused)
    assert by_rule["order_notional"] > 50
    for rule_id, count in by_rule.items():
        labels = {"source": "pre_trade", "rule_id": rule_id}
        assert metrics.registry.get_sample_value("live_trading_order_rejections_total", labels) == count
    said = [(notice.fields["symbol"], notice.fields["message"]) for notice in ear.of(EventType.ORDER_REJECTED)]
    assert said == [(no["symbol"], no["message"]) for no in refused]


def test_stages_are_counted_as_they_are_on_file(told: Told) -> None:
    expected: Counter[tuple[str, str]] = Counter()
    per_cycle: dict[int, dict[str, dict[str, int]]] = {}
    for cycle_ns, codes in told.journal.reasons():
        rows = {
            stage: dict(Counter(REASON_TEXT[Reason(code)] for code in row))
            for stage, row in zip(STAGES, codes.tolist(), strict=True)
        }
        per_cycle[cycle_ns] = rows
        expected.update({(stage, reason): n for stage, row in rows.items() for reason, n in row.items()})
    heard: dict[int, dict[str, dict[str, int]]] = {}
    for notice in told.ear.of(EventType.STAGE_COMPLETED):
        heard.setdefault(notice.fields["cycle_time_ns"], {})[notice.fields["stage"]] = dict(notice.fields["reasons"])
    assert heard == per_cycle
    for (stage, reason), count in expected.items():
        assert told.value("stage_symbols_total", stage=stage, reason=reason) == count
    ends = told.ear.of(EventType.CYCLE_END)
    assert len(ends) == len(per_cycle)
    for notice in ends:
        settled = notice.fields["decisions"]
        assert sum(sum(reasons.values()) for reasons in settled.values()) == N_SYMBOLS
        for stage, reasons in settled.items():
            everywhere = per_cycle[notice.fields["cycle_time_ns"]][stage]
            assert all(count <= everywhere[reason] for reason, count in reasons.items())


def test_reasons_counted_at_once_are_those_of_each_symbol() -> None:
    traces = []

    def remember(stamped: Stamped, commands: Sequence[Command]) -> None:
        traces.extend(c.result.trace for c in commands if isinstance(c, CycleDecided) and c.result.trace is not None)

    run_backtest(panel(), LOW_COST_CONFIG, start_ns=start_ns(), observers=[remember])
    assert len(traces) == 52
    for trace in traces:
        given, settled = trace.reason_counts()
        assert list(given) == list(STAGES)
        for stage, codes in zip(STAGES, trace.reasons.tolist(), strict=True):
            assert given[stage] == Counter(reason_text(code) for code in codes)
        stage, code = trace.deciding_stage()
        expected = Counter((STAGES[s], reason_text(c)) for s, c in zip(stage.tolist(), code.tolist(), strict=True))
        assert {(s, r): n for s, counts in settled.items() for r, n in counts.items()} == expected
    assert {stage for trace in traces for stage in trace.reason_counts()[1]} >= {"arbitration", "sizing", "risk"}


def test_cycles_are_told_in_their_order(told: Told) -> None:
    kinds = (EventType.CYCLE_START, EventType.INFERENCE_COMPLETED, EventType.STAGE_COMPLETED, EventType.CYCLE_END)
    cycle_ns = bar_end(2)
    order = [
        notice.type
        for notice in told.ear.notices
        if notice.type in kinds and notice.fields["cycle_time_ns"] == cycle_ns
    ]
    assert order == [*kinds[:2], *[EventType.STAGE_COMPLETED] * len(STAGES), kinds[3]]
    (end,) = [n for n in told.ear.of(EventType.CYCLE_END) if n.fields["cycle_time_ns"] == cycle_ns]
    assert 0 < end.fields["duration_s"] < 10
    record = next(fields for fields in told.journal.decided() if fields["cycle_time_ns"] == cycle_ns)
    assert (end.fields["orders"], end.fields["rejections"]) == (len(record["orders"]), len(record["rejections"]))


def test_decisions_are_told_of_symbols_that_acted(told: Told) -> None:
    sent = {fields["order"]["symbol"]: fields for fields in told.journal.commands("SubmitOrder")}
    decisions = told.ear.of(EventType.DECISION)
    submitted = told.ear.of(EventType.ORDER_SUBMITTED)
    assert {notice.fields["symbol"] for notice in decisions} >= set(sent)
    at = {(notice.time_ns, notice.fields["symbol"]): notice.fields for notice in decisions}
    entries = [notice for notice in submitted if notice.fields["leg"] == "entry"]
    assert len(entries) > 20
    for notice in entries:
        decision = at[(notice.time_ns, notice.fields["symbol"])]
        assert decision["action"] == "enter"
        assert decision["reason"] == notice.fields["reason"] == "entry"
        assert decision["horizon"] in told.engine.run_started.horizons
        assert abs(decision["target_shares"]) == notice.fields["quantity"]
        assert decision["side"] == ("long" if notice.fields["side"] == "buy" else "short")


def test_orders_and_their_ends(told: Told) -> None:
    submitted = [notice.fields["client_order_id"] for notice in told.ear.of(EventType.ORDER_SUBMITTED)]
    assert len(set(submitted)) == len(submitted)
    acknowledged = [notice.fields["client_order_id"] for notice in told.ear.of(EventType.ORDER_ACKNOWLEDGED)]
    assert sorted(acknowledged) == sorted(submitted)
    fills = told.ear.of(EventType.ORDER_FILLED)
    complete = [notice.fields["client_order_id"] for notice in fills if notice.fields["complete"]]
    cancelled = [notice.fields["client_order_id"] for notice in told.ear.of(EventType.ORDER_CANCELLED)]
    expired = [notice.fields["client_order_id"] for notice in told.ear.of(EventType.ORDER_EXPIRED)]
    assert sorted([*complete, *cancelled, *expired]) == sorted(submitted)
    assert any(not notice.fields["complete"] for notice in fills)
    for notice in (*told.ear.of(EventType.ORDER_CANCELLED), *told.ear.of(EventType.ORDER_EXPIRED)):
        order_id = notice.fields["client_order_id"]
        parts = [fill.fields["quantity"] for fill in fills if fill.fields["client_order_id"] == order_id]
        assert notice.fields["filled"] == sum(parts)
    closes = told.ear.of(EventType.SESSION_CLOSE)
    assert sum(notice.fields["expired_orders"] for notice in closes) == len(expired)


def test_what_is_wrong_with_bars(told: Told) -> None:
    (late,) = told.ear.of(EventType.LATE_BAR)
    assert late.fields == {"bar_end_ns": bar_end(3), "count": 1, "symbols": (panel().symbols[3],)}
    (gap,) = told.ear.of(EventType.DATA_GAP)
    assert gap.fields == {"last_bar_end_ns": bar_end(6), "bar_end_ns": bar_end(7), "missing": 1}
    closes = panel().close
    expected = {}
    for row, end_ns in enumerate(panel().bar_end_ns.tolist()):
        absent = {panel().symbols[column] for column in np.flatnonzero(np.isnan(closes[row]))}
        absent |= {panel().symbols[3]} if end_ns == bar_end(3) else set()
        if absent and end_ns > start_ns() and end_ns != bar_end(7):
            expected[end_ns] = absent
    heard = {n.fields["bar_end_ns"]: set(n.fields["symbols"]) for n in told.ear.of(EventType.MISSING_BARS)}
    assert heard == expected


def test_predictions_that_come_too_late(told: Told) -> None:
    slow, gone = bar_end(5), bar_end(9)
    stale = {n.fields["cycle_time_ns"]: n.fields["age_s"] for n in told.ear.of(EventType.STALE_PREDICTIONS)}
    assert stale[slow] == 1800.5
    assert stale[gone] == 7200.0
    (timeout,) = told.ear.of(EventType.PREDICTION_TIMEOUT)
    assert timeout.fields == {"cycle_time_ns": gone, "timeout_s": 3600.0}
    (aborted,) = told.ear.of(EventType.CYCLE_ABORTED)
    assert aborted.fields == {"cycle_time_ns": gone, "reason": "timeout"}
    reasons = {n.fields["cycle_time_ns"]: n.fields["reason"] for n in told.ear.of(EventType.CYCLE_SKIPPED)}
    assert reasons[bar_end(6)] == "skipped_overlap"


def test_the_warm_up_is_history(told: Told) -> None:
    quiet = {EventType.INFERENCE_COMPLETED, EventType.CHECKPOINT_WRITTEN}
    before = {notice.type for notice in told.ear.notices if notice.time_ns < start_ns()} - quiet
    assert before == {EventType.ENGINE_START, EventType.RUN_STARTED, EventType.BROKER_CONNECTED}
    opened = [notice.fields["date"] for notice in told.ear.of(EventType.SESSION_OPEN)]
    assert opened == [session.date for session in panel().sessions.sessions[12:]]


def test_what_a_restart_replays_is_not_told(tmp_path: Path) -> None:
    bus, ear = listened()
    engine = sessions.stopped_and_resumed(tmp_path, bus)
    resumed_ns = engine.recovered.resume_ns
    assert engine.recovered.resumed
    assert min(notice.time_ns for notice in ear.notices) >= resumed_ns
    (restored,) = ear.of(EventType.STATE_RESTORED)
    assert restored.fields == {"sequence": engine.recovered.checkpoint_seq, "age_s": 0.0, "replayed": 0}
    (still,) = ear.of(EventType.TRADING_STATE_CHANGED)
    assert (still.fields["old"], still.fields["new"]) == ("halted", "halted")
    assert still.fields["message"] == "still latched: for the night"
    assert len(ear.of(EventType.CYCLE_END)) == 5
    assert not ear.of(EventType.RUN_STARTED)


@pytest.mark.parametrize(
    ("age_s", "severity", "says"),
    [(3599.0, Severity.INFO, ""), (7200.0, Severity.WARNING, "2.0 hours"), (-5.0, Severity.WARNING, "set it right")],
)
def test_a_state_that_is_old_or_from_the_future_is_a_warning(age_s: float, severity: Severity, says: str) -> None:
    bus, ear = listened()
    emit.emit_state_restored(bus, 0, sequence=1, age_s=age_s, replayed=0)
    (restored,) = ear.notices
    assert restored.severity is severity
    assert says in str(restored.fields.get("message", ""))


def test_a_damaged_checkpoint_and_a_torn_journal_are_told(tmp_path: Path) -> None:
    run_told(panel(), LOW_COST_CONFIG, None, start_ns=start_ns(), state_dir=tmp_path, max_cycles=10)
    newest = max(tmp_path.glob("arrays-*.npz"))
    newest.write_bytes(newest.read_bytes()[:100])
    with last_segment(tmp_path).open("ab") as file:
        file.write(b'{"crc":"00')
    bus, ear = listened()
    engine = run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), state_dir=tmp_path, max_cycles=2)
    errors = {notice.fields["component"]: notice for notice in ear.of(EventType.ERROR)}
    assert newest.name in errors["checkpoint"].fields["message"]
    assert errors["journal"].fields["message"].startswith("10 bytes")
    assert errors["journal"].severity is Severity.WARNING
    (restored,) = ear.of(EventType.STATE_RESTORED)
    assert restored.fields["replayed"] == engine.recovered.replayed > 100
    assert len(ear.of(EventType.CYCLE_END)) == 2


@pytest.fixture(scope="module")
def bad() -> Ear:
    bus, ear = listened()
    sessions.bad_venue(bus)
    return ear


def test_fills_that_surprise(bad: Ear) -> None:
    surprises = [(n.fields["kind"], n.fields["client_order_id"]) for n in bad.of(EventType.SURPRISING_FILL)]
    kinds = [kind for kind, _ in surprises]
    assert kinds.count("unknown_order") == 1
    assert kinds.count("duplicate_report") == 1
    assert "late_fill" in kinds
    booked = {notice.fields["execution_id"]: notice.fields for notice in bad.of(EventType.ORDER_FILLED)}
    assert booked["s1"]["leg"] == "unknown"
    assert not booked["s1"]["complete"]
    assert "s2" in booked
    executions = [notice.fields["execution_id"] for notice in bad.of(EventType.ORDER_FILLED)]
    assert len(set(executions)) == len(executions)


def test_a_venue_that_refuses(bad: Ear) -> None:
    (refused,) = [n for n in bad.of(EventType.ORDER_REJECTED) if n.fields["source"] == "venue"]
    assert refused.fields["message"] == "not today"
    assert refused.fields["client_order_id"] in {
        notice.fields["client_order_id"] for notice in bad.of(EventType.ORDER_SUBMITTED)
    }


def test_an_operators_word(bad: Ear) -> None:
    applied = [(n.time_ns, n.fields["action"], n.fields["reason"]) for n in bad.of(EventType.CONTROL_APPLIED)]
    assert applied == [(bar_end(6), "halt", "enough"), (bar_end(7), "resume", "looked into")]
    (kill,) = bad.of(EventType.KILL_SWITCH)
    assert kill.fields == {"source": "operator", "reason": "enough"}
    refused = [n for n in bad.of(EventType.ERROR) if n.fields["component"] == "control_refused"]
    assert [notice.severity for notice in refused] == [Severity.WARNING]
    moves = [(n.fields["old"], n.fields["new"]) for n in bad.of(EventType.TRADING_STATE_CHANGED)]
    assert moves[:2] == [("active", "halted"), ("halted", "active")]


def test_a_venue_that_is_lost(bad: Ear) -> None:
    lost, shut = bad.of(EventType.BROKER_DISCONNECTED)
    assert (lost.fields["reason"], lost.severity) == ("the line is dead", Severity.ERROR)
    assert (shut.fields["reason"], shut.severity) == ("shutdown", Severity.INFO)
    (error,) = [n for n in bad.of(EventType.ERROR) if n.fields["component"] == "broker_lost"]
    assert error.severity is Severity.CRITICAL
    halts = [n for n in bad.of(EventType.TRADING_STATE_CHANGED) if n.fields["rule_id"] == "broker_lost"]
    assert [notice.fields["new"] for notice in halts] == ["halted"]
    assert not [n for n in bad.of(EventType.ORDER_SUBMITTED) if n.time_ns > halts[0].time_ns]


def test_losses_that_come_close_are_warned_of_once_a_session() -> None:
    bus, ear = listened()
    engine = sessions.guarded(bus)
    limit = engine.core.parts.config.risk.max_drawdown_frac
    expected, date, warned, tripped = [], "", False, False
    for notice in ear.notices:
        if notice.type is EventType.SESSION_OPEN:
            date, warned = notice.fields["date"], False
        if notice.type is EventType.ACCOUNT_MARKED:
            drawdown = notice.fields["drawdown_frac"]
            tripped = tripped or drawdown <= -limit
            if drawdown <= -0.8 * limit and not warned and not tripped:
                expected.append((date, notice.time_ns, drawdown))
                warned = True
    assert expected
    heard = [(n.time_ns, n.fields["value"]) for n in ear.of(EventType.RISK_WARNING)]
    assert heard == [(time_ns, value) for _, time_ns, value in expected]
    (trip,) = ear.of(EventType.GUARDRAIL_TRIPPED)
    assert trip.fields["rule_id"] == "max_drawdown"
    assert trip.fields["value"] <= trip.fields["limit"] == -limit
    (change,) = ear.of(EventType.TRADING_STATE_CHANGED)
    assert (change.fields["old"], change.fields["new"]) == ("active", "reduce_only")


def test_stale_quotes_are_told_when_they_become_stale() -> None:
    bus, ear = listened()
    sessions.picky(bus)
    held = {
        n.fields["cycle_time_ns"]: n.fields["reasons"].get("quote_stale", 0)
        for n in ear.of(EventType.GATE_BLOCKED)
        if n.fields["gate"] == "spread"
    }
    told = ear.of(EventType.QUOTE_STALE)
    assert 0 < sum(notice.fields["count"] for notice in told) < sum(held.values())
    assert all(notice.fields["max_age_s"] > 60.0 for notice in told)
    first = min(held)
    assert told[0].time_ns == first


def test_a_failed_handler_is_told_and_ends_its_cycle() -> None:
    bus, ear = listened()
    sessions.crooked_model(bus)
    (failed,) = ear.of(EventType.HANDLER_FAILED)
    assert failed.fields["event_type"] == "PredictionsReady"
    assert failed.fields["message"].startswith("ValueError: raw forecasts of shape")
    reasons = [notice.fields["reason"] for notice in ear.of(EventType.CYCLE_ABORTED)]
    assert reasons == ["handler_failed", "inference_failed"]
    components = [notice.fields["component"] for notice in ear.of(EventType.ERROR)]
    assert components == ["inference_failed"]
    assert ear.of(EventType.TRADING_STATE_CHANGED)[0].fields["rule_id"] == "handler_failed"


def test_a_cycle_says_as_much_of_many_symbols_as_of_few() -> None:
    """No work per symbol: of symbols that did nothing nothing is said."""
    counts = []
    for n_symbols in (12, 60):
        market = simulate_market(
            SimulatedMarketConfig(
                n_symbols=n_symbols, n_sessions=12, bars_per_session=13, edge=0.0, missing_bar_probability=0.0
            )
        )
        bus, ear = listened()
        run_told(market, LOW_COST_CONFIG, bus, start_ns=market.sessions.sessions[2].open_ns, max_cycles=3)
        assert not ear.of(EventType.ORDER_SUBMITTED)
        counts.append(Counter(notice.type for notice in ear.notices))
    assert counts[0] == counts[1]


def test_an_announcer_is_an_observer(told: Told) -> None:
    """It can be called without a driver; predictions that no cycle waits for are told as stale."""
    bus, ear = listened()
    announcer = Announcer(bus, told.engine.core)
    late = PredictionsReady(start_ns(), np.zeros((1, 1, 1)), None, None)
    announcer(Stamped(1, start_ns() + 10**9, late), [])
    (stale,) = ear.notices
    assert stale.fields == {"cycle_time_ns": start_ns(), "age_s": 1.0}


def test_every_reason_has_words() -> None:
    assert [reason_text(int(reason)) for reason in Reason] == [REASON_TEXT[reason] for reason in Reason]


def test_limited_mode_and_models_are_told(tmp_path: Path) -> None:
    bus, ear = listened()
    sessions.limited(bus)
    assert "no run_root" in ear.of(EventType.LIMITED_MODE)[0].fields["reason"]
    assert not ear.of(EventType.MODEL_LOADED)
    bus, ear = listened()
    engine = sessions.with_models(tmp_path, bus)
    loaded = {f"{n.fields['target']}/{n.fields['family']}": n.fields["sha256"] for n in ear.of(EventType.MODEL_LOADED)}
    assert loaded == engine.run_started.model_hashes
    assert not ear.of(EventType.LIMITED_MODE)


def test_the_start_and_the_stop_say_why(told: Told) -> None:
    run = told.engine.run_started
    (start,) = told.ear.of(EventType.ENGINE_START)
    assert start.fields == {"mode": "paper", "version": run.code_version, "config_hash": run.config_hash}
    (opened,) = told.ear.of(EventType.RUN_STARTED)
    assert opened.fields["horizons"] == run.horizons
    (stop,) = told.ear.of(EventType.ENGINE_STOP)
    assert stop.fields == {"reason": "the data ended", "cycles": len(told.journal.decided())}

    def stop_it(engine: TradingEngine, broker: MoodyBroker, now_ns: int) -> None:
        if now_ns == bar_end(2):
            engine.request_stop()

    for options, reason in (({"on_cycle": stop_it}, "a stop was requested"), ({"max_cycles": 2}, "the cycles asked")):
        bus, ear = listened()
        run_told(panel(), LOW_COST_CONFIG, bus, start_ns=start_ns(), **options)
        (stop,) = ear.of(EventType.ENGINE_STOP)
        assert stop.fields["reason"].startswith(reason)
        assert stop.fields["cycles"] == 2
