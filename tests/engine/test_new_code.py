"""A restart under other code than that which decided: what is on file stands, nothing is opened until a person looks.

Old and new code are two decision stages; everything else is the engine itself.
"""

from __future__ import annotations

# covers: P18, B8, B10
import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest
from core_desk import Desk, Wish, WishedDecisions, enter, leave, orders_of, plan_of
from other_code import fed_to_other_code, what_happened
from small_session import Promises, engine_over

from LIVE_TRADING.cli import replay
from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.cli.replay import replay_session
from LIVE_TRADING.common.events import BrokerSnapshot
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.engine import deciding, recovery, resume, run_setup
from LIVE_TRADING.engine.checkpoint import Checkpoints, change_name
from LIVE_TRADING.engine.control import CODE_CHANGED
from LIVE_TRADING.engine.journal import FOLDER, JournalRecord, read_journal, to_line
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.recovery import FeedResult, feed_journal
from LIVE_TRADING.engine.resume import EXPORTS, recorded_run, resume_run, start_core
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.trading_engine import TradingEngine
from LIVE_TRADING.observability import EventType, Notice, Severity
from LIVE_TRADING.risk import TradingState
from tests.support.journals import write_journal

# -- what is taken from the file, one kind of command after the other ------------------------------------------------


OTHER_CODE: dict[str, dict[str, Wish]] = {
    "wants-nothing": {},
    "wants-another-size": {"AAA": enter(7)},
    "wants-the-other-side": {"AAA": enter(-10), "BBB": enter(5)},
    "wants-another-symbol": {"CCC": enter(3)},
    "wants-out-of-everything": {"AAA": leave(), "BBB": leave(), "CCC": leave()},
    "wants-another-horizon": {"AAA": Wish(Action.EXTEND, 10, "60m")},
}


@pytest.mark.parametrize("other", sorted(OTHER_CODE))
def test_what_is_on_file_is_what_happened(desk: Desk, other: str) -> None:
    first = desk.enter("AAA", 10)
    part = desk.enter("BBB", -8, fill=False)
    desk.ack(part)
    desk.fill(part, 3)
    desk.decide(AAA=Wish(Action.EXTEND, 10, "30m"))
    desk.decide(BBB=leave())  # asks for the rest to be cancelled
    (exit_order,) = orders_of(desk.cancelled(part))
    desk.decide(AAA=leave())
    sent = desk.enter("CCC", 4, fill=False)
    fed, state = fed_to_other_code(desk, OTHER_CODE[other])
    assert not fed.stopped
    assert fed.difference is not None
    assert what_happened(state) == what_happened(desk.core.state)
    assert first.client_order_id in state.orders
    assert {exit_order.client_order_id, sent.client_order_id} <= set(state.orders.open)
    assert state.orders.open[sent.client_order_id].status is OrderStatus.SUBMITTED


def test_an_entry_that_both_wanted_keeps_what_it_was_decided_on(desk: Desk) -> None:
    order = desk.enter("AAA", 10, fill=False)
    _, state = fed_to_other_code(desk, {"AAA": enter(9)})
    kept = state.orders.open[order.client_order_id]
    assert kept.order == order
    assert kept.ticket == desk.record(order).ticket
    _, state = fed_to_other_code(desk, {"AAA": enter(-9)})
    ticket = state.orders.open[order.client_order_id].ticket
    assert ticket is not None
    assert (ticket.horizon, ticket.slot, ticket.qualifies) == (desk.record(order).ticket.horizon, desk.slot, ())  # type: ignore[union-attr]
    _, state = fed_to_other_code(desk, {"AAA": enter(9, "60m")})
    assert state.orders.open[order.client_order_id].ticket == ticket


def test_nothing_is_learned_from_a_trade_of_which_only_the_horizon_is_known(desk: Desk) -> None:
    order = desk.enter("AAA", 10)
    (left,) = orders_of(desk.decide(AAA=leave()))
    desk.fill(left, 10)
    desk.decide()
    _, state = fed_to_other_code(desk, {})
    assert order.client_order_id in state.orders
    assert state.bandit.rounds == 0 < desk.core.state.bandit.rounds
    (trade,) = state.trades
    assert trade.horizon == desk.core.state.trades[0].horizon


def test_an_exit_that_waited_for_a_cancel_follows_it_after_the_restart_too(desk: Desk) -> None:
    order = desk.enter("AAA", 10, fill=False)
    desk.ack(order)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    _, state = fed_to_other_code(desk, {})
    record = state.orders.open[order.client_order_id]
    assert (record.then_exit, record.cancel_reason) == (True, int(Reason.EXIT_REVERSED))


def test_a_cancel_that_only_this_code_asked_for_was_not_asked_for(desk: Desk) -> None:
    order = desk.enter("AAA", 10, fill=False)
    desk.decide()
    fed, state = fed_to_other_code(desk, {"AAA": leave()})
    assert fed.difference is not None
    record = state.orders.open[order.client_order_id]
    assert (record.cancel_asked_ns, record.then_exit) == (-1, False)


@pytest.mark.parametrize("limit", [{"max_daily_loss_frac": 0.5}, {"max_daily_loss_frac": 0.0005}], ids=["then", "now"])
def test_the_stricter_switch_holds(make_desk: Callable[..., Desk], limit: dict[str, float]) -> None:
    """A guardrail that tripped then, and one that trips by this code."""
    desk = make_desk(risk={"guardrails": True, "max_daily_loss_frac": 0.001, "max_drawdown_frac": 0.9})
    desk.open(0)
    desk.enter("AAA", 100)
    desk.cycle(AAA=99.4 if limit["max_daily_loss_frac"] < 0.001 else 98.0)
    assert desk.journal is not None
    before = desk.core.state.risk.state
    core = plan_of(risk=desk.options["risk"] | limit).core()
    fed = feed_journal(core, read_journal(desk.journal.folder))
    assert fed.difference is not None
    assert core.state.risk.state is TradingState.REDUCE_ONLY
    assert before is (TradingState.REDUCE_ONLY if limit["max_daily_loss_frac"] == 0.5 else TradingState.ACTIVE)


@pytest.mark.parametrize(("then", "now"), [("auto_sync", "warn"), ("warn", "auto_sync")])
def test_a_book_that_was_taken_over_then_is_that_of_the_record(
    make_desk: Callable[..., Desk], then: str, now: str
) -> None:
    limit = {"max_auto_sync_usd": 1e6}
    desk = make_desk(reconcile={"mode": then} | limit)
    desk.open(0)
    desk.enter("AAA", 10)
    for _ in range(2):
        snapshot = BrokerSnapshot(
            desk.core.state.book_version, {"AAA": Decimal(12), "BBB": Decimal(3)}, {}, (), True, desk.bar_end_ns
        )
        desk.tell(replace(snapshot, cash=dict(desk.core.state.ledger.cash)))
    assert desk.journal is not None
    core = plan_of(reconcile={"mode": now} | limit).core()
    fed = feed_journal(core, read_journal(desk.journal.folder))
    assert fed.difference is not None
    assert core.state.ledger == desk.core.state.ledger
    assert core.state.ledger.quantity("AAA") == (12 if then == "auto_sync" else 10)


def changed(records: list[JournalRecord], name: str, values: dict[str, Any] | None) -> list[JournalRecord]:
    """Put a command of one kind onto file as another, or take it off."""
    out = []
    for record in records:
        data = record.data
        if record.kind == "commands":
            data = [
                [kind, fields | values if kind == name and values is not None else fields]
                for kind, fields in orjson.loads(orjson.dumps(record.data))
                if kind != name or values is not None
            ]
        out.append(replace(record, data=data))
    return out


def test_a_cycle_that_was_not_begun_then_is_not_awaited(desk: Desk) -> None:
    desk.cycle()
    assert desk.journal is not None
    records = changed(list(read_journal(desk.journal.folder)), "RunInference", None)
    core = plan_of().core()
    feed_journal(core, records)
    assert core.state.pending is None


def test_a_decision_that_was_not_taken_then_is_not_counted(desk: Desk) -> None:
    desk.decide(slot=0)
    assert desk.journal is not None
    records = [*read_journal(desk.journal.folder)]
    records[-1] = replace(records[-1], data=[["Anomaly", {"kind": "dropped_predictions", "message": "late"}]])
    core = plan_of().core()
    fed = feed_journal(core, records)
    assert fed.difference is not None
    assert (core.state.cycle_number, core.state.digest.cycles) == (0, 0)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SubmitOrder", {"order": {"symbol": "AAA"}}),
        ("SubmitOrder", {"venue": "another"}),
        ("TradingStateChanged", {"new": "asleep"}),
        ("CycleDecided", {"cycle_number": "third"}),
    ],
)
def test_a_command_that_this_version_cannot_read_stops_the_restart(
    make_desk: Callable[..., Desk], name: str, values: dict[str, Any]
) -> None:
    desk = make_desk(risk={"guardrails": True, "max_daily_loss_frac": 0.001, "max_drawdown_frac": 0.9})
    desk.open(0)
    desk.enter("AAA", 100)
    desk.cycle(AAA=98.0)
    assert desk.journal is not None
    records = changed(list(read_journal(desk.journal.folder)), name, values)
    fed = feed_journal(plan_of(**desk.options).core(), records)
    assert fed.stopped
    assert fed.difference is not None


# -- a session by old code, killed, and gone on with by new ----------------------------------------------------------

OLD, NEW = "0.1.0+old", "0.1.0+new"
CYCLES = 20  # the last decision of old code sends entries, while a position is held


class Decides(WishedDecisions):
    """Enters every symbol with so many shares where it is flat, and leaves every so manieth one that is held."""

    def __init__(self, shares: float, leaves_every: int) -> None:
        super().__init__()
        self._shares, self._leaves_every = shares, leaves_every

    def __call__(self, stages: Any, predictions: Any, covariance: Any, view: Any, book: Any, selector: Any) -> Any:
        wishes: dict[str, Wish] = {}
        for at, (symbol, held) in enumerate(zip(book.symbols, book.held_shares, strict=True)):
            if not held:
                wishes[symbol] = enter(self._shares, predictions.horizons[0])
            elif at % self._leaves_every == 0:
                wishes[symbol] = Wish(Action.EXIT, 0.0, predictions.horizons[0])
        self.wishes[book.moment.scheduled_time_ns] = wishes
        return super().__call__(stages, predictions, covariance, view, book, selector)


@dataclass
class Lives:
    """One state folder and one venue, and the processes over them."""

    folder: Path
    patch: pytest.MonkeyPatch

    def __post_init__(self) -> None:
        self.promises = Promises()
        self.notices: list[Notice] = []

    @property
    def state_dir(self) -> Path:
        return self.folder / "state"

    def runs(self, code: str) -> None:
        """Let this code decide."""
        self.patch.setattr(deciding, "decide", Decides(10.0, 2) if code == OLD else Decides(-7.0, 1))
        for module in (recovery, replay, resume, run_setup):
            self.patch.setattr(module, "code_version", lambda: code)

    def open(self, code: str) -> TradingEngine:
        self.runs(code)
        engine = engine_over(self.state_dir, self.promises, venue_file=self.folder / "venue.json")
        engine._bus.subscribe("lives", self.notices.append)
        return engine

    def trade(self, code: str, max_cycles: int | None = None, word: str = "") -> TradingEngine:
        engine = self.open(code)
        if word:
            engine.control(word, "seen")
        try:
            asyncio.run(engine.run(max_cycles))
        finally:
            engine.close()
        return engine

    def kill(self) -> None:
        """Forget the checkpoints, and what the venue said of the last orders: as a kill would leave the folder."""
        for path in (*sorted(self.state_dir.glob("arrays-*.npz"))[1:], *map(self.state_dir.joinpath, EXPORTS)):
            path.unlink(missing_ok=True)
        records = list(read_journal(self.state_dir / FOLDER))
        last = max(
            at
            for at, record in enumerate(records)
            if record.kind == "commands" and any(name == "SubmitOrder" for name, _ in record.data)
        )
        assert any(record.data[0] == "OrderAck" for record in records[last + 1 :] if record.kind == "event")
        write_journal(self.state_dir, map(to_line, records[: last + 1]))

    def orders(self) -> list[dict[str, Any]]:
        return [
            fields["order"]
            for record in read_journal(self.state_dir / FOLDER)
            if record.kind == "commands"
            for name, fields in record.data
            if name == "SubmitOrder"
        ]

    def sent(self) -> list[str]:
        return [order["client_order_id"] for order in self.orders()]

    def replayed(self) -> tuple[FeedResult, CoreState]:
        run = recorded_run(self.state_dir)
        assert run is not None
        core = start_core(self.state_dir, run)
        left_after = Checkpoints(self.state_dir, run, core.parts).change_after
        return feed_journal(core, read_journal(self.state_dir / FOLDER), left_after=left_after), core.state


@pytest.fixture
def lives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lives:
    return Lives(tmp_path, monkeypatch)


@pytest.fixture
def killed(lives: Lives) -> Lives:
    """Old code has traded and was killed with its last orders at the venue, unanswered."""
    lives.trade(OLD, CYCLES)
    lives.kill()
    return lives


def test_the_records_win_and_nothing_is_opened(killed: Lives) -> None:
    on_file = killed.sent()
    engine = killed.open(NEW)
    recovered, state = engine.recovered, engine.core.state
    assert recovered.change is not None
    assert (recovered.change.before, recovered.change.code) == (OLD, NEW)
    for word in (f"event {recovered.change.first_seq}", "cycle 2025-01-02T", "stage ", "symbol S0000"):
        assert word in recovered.change.difference
    waiting = [record for record in state.orders.open.values() if record.status is OrderStatus.SUBMITTED]
    assert waiting
    assert {record.order.quantity for record in waiting} == {10}  # sent by old code, unanswered
    assert state.order_number == len(on_file)
    try:
        asyncio.run(engine.run())
    finally:
        engine.close()
    state = engine.core.state
    assert state.risk.state is TradingState.REDUCE_ONLY
    assert [latch.rule_id for latch in state.risk.latches] == [CODE_CHANGED]
    assert len(set(killed.promises.sent)) == len(killed.promises.sent)
    assert set(killed.promises.sent) == set(killed.sent())
    assert len(set(killed.sent())) == len(killed.sent())
    legs = {order["leg"] for order in killed.orders()[len(on_file) :]}
    assert legs == {"exit"}
    venue = orjson.loads((killed.folder / "venue.json").read_bytes())["exchange"]
    held = {symbol: str(position.quantity) for symbol, position in state.ledger.positions.items()}
    assert {symbol: quantity for symbol, quantity in venue["positions"].items() if float(quantity)} == held
    assert venue["cash"] == str(state.ledger.cash["USD"])


def test_it_is_told(killed: Lives) -> None:
    engine = killed.trade(NEW, 1)
    assert engine.recovered.change is not None
    (told,) = [n for n in killed.notices if n.type is EventType.ERROR and n.fields["component"] == CODE_CHANGED]
    assert told.severity is Severity.ERROR
    assert engine.recovered.change.difference in str(told.fields["message"])
    assert "bin.control resume" in str(told.fields["message"])
    moved = [n for n in killed.notices if n.type is EventType.TRADING_STATE_CHANGED]
    assert [(n.fields["old"], n.fields["new"], n.fields["rule_id"]) for n in moved] == [
        ("active", "reduce_only", CODE_CHANGED)
    ]


def test_a_second_start_finds_nothing_and_keeps_the_latch_until_a_person_lifts_it(killed: Lives) -> None:
    killed.trade(NEW, 2)
    sent = len(killed.sent())
    again = killed.trade(NEW, 1)
    assert again.recovered.change is None
    assert [latch.rule_id for latch in again.core.state.risk.latches] == [CODE_CHANGED]
    assert killed.sent()[sent:] == killed.promises.sent[sent:]
    sent = len(killed.sent())
    lifted = killed.trade(NEW, 2, word="resume")
    assert lifted.core.state.risk.state is TradingState.ACTIVE
    assert {order["quantity"] for order in killed.orders()[sent:] if order["leg"] == "entry"} == {"7"}


def test_a_second_start_after_a_kill_before_any_checkpoint_finds_nothing_new(killed: Lives) -> None:
    killed.trade(NEW, 2)
    for path in sorted(killed.state_dir.glob("arrays-*.npz"))[1:]:
        path.unlink()
    again = killed.trade(NEW, 1)
    assert again.recovered.change is None
    assert again.core.state.risk.state is TradingState.REDUCE_ONLY
    fed, state = killed.replayed()
    assert fed.difference is None
    assert state.digest.texts() == again.core.state.digest.texts()


def test_a_replay_passes_over_what_other_code_decided_and_compares_the_rest(
    killed: Lives, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = killed.trade(NEW)
    change = engine.recovered.change
    assert change is not None
    fed, state = killed.replayed()
    (passed,) = fed.passed
    assert (fed.difference, fed.stopped) == (None, False)
    assert (passed.first.seq, passed.code, passed.goes_on_from_file) == (change.first_seq, OLD, True)
    assert (killed.state_dir / change_name(passed.last_seq)).exists()
    assert state.digest.texts() == engine.core.state.digest.texts()
    assert what_happened(state) == what_happened(engine.core.state)
    assert state.risk == engine.core.state.risk
    assert replay_session(killed.state_dir, None, None) == ExitCode.DONE
    said = capsys.readouterr().out
    assert f"events {passed.first.seq} to {passed.last_seq} were decided by {OLD} and are passed over" in said
    assert "all else as recorded" in said
    assert state.digest.texts()["run_digest"] in said


def test_what_the_new_code_decided_is_still_compared(killed: Lives) -> None:
    killed.trade(NEW)
    records = list(read_journal(killed.state_dir / FOLDER))
    at = max(n for n, record in enumerate(records) if record.kind == "commands")
    records[at] = replace(records[at], data=[*records[at].data, ["Anomaly", {"kind": "x", "message": "y"}]])
    write_journal(killed.state_dir, map(to_line, records))
    fed, _ = killed.replayed()
    assert len(fed.passed) == 1
    assert fed.difference is not None
    assert fed.difference.seq == records[at].seq


def test_a_replay_without_the_state_that_was_left_goes_on_from_the_record(killed: Lives) -> None:
    engine = killed.trade(NEW)
    for path in killed.state_dir.glob("code-*.npz"):
        path.unlink()
    fed, state = killed.replayed()
    assert [passed.goes_on_from_file for passed in fed.passed] == [False]
    assert state.orders.open.keys() == engine.core.state.orders.open.keys()
    assert state.order_number == engine.core.state.order_number


def test_old_code_does_not_explain_a_difference_of_its_own(killed: Lives) -> None:
    """Replayed by the old code, a difference in what it decided is none of the new code's."""
    killed.trade(NEW)
    killed.runs(OLD)
    fed, _ = killed.replayed()
    assert fed.passed == ()
    assert fed.difference is not None  # in what new code decided
    records = list(read_journal(killed.state_dir / FOLDER))
    assert fed.difference.seq > next(r.seq for r in records if r.kind == "event" and r.data[0] == "CodeChanged")


def test_every_change_is_a_stretch_of_its_own(killed: Lives, capsys: pytest.CaptureFixture[str]) -> None:
    """Forward, back, and replayed by both."""
    killed.trade(NEW, 2)
    back = killed.trade(OLD, 1)
    assert back.recovered.change is not None
    assert (back.recovered.change.before, back.recovered.change.code) == (NEW, OLD)
    fed, state = killed.replayed()
    assert fed.difference is None
    assert [passed.code for passed in fed.passed] == [NEW]  # what old code decided is compared, before and after
    assert state.digest.texts() == back.core.state.digest.texts()
    killed.runs(NEW)
    fed, _ = killed.replayed()
    assert [passed.code for passed in fed.passed] == [OLD]
    last_change = max(
        r.seq for r in read_journal(killed.state_dir / FOLDER) if r.kind == "event" and r.data[0] == "CodeChanged"
    )
    assert fed.difference is not None
    assert fed.difference.seq > last_change
    assert replay_session(killed.state_dir, None, None) == ExitCode.HALTED
    assert f"decided by {OLD}, replayed by {NEW}" in capsys.readouterr().out


def test_new_code_after_a_clean_stop_has_nothing_to_differ_from(lives: Lives) -> None:
    """The checkpoint is all that is fed: no restriction, but the change is on file, so that a replay knows of it."""
    lives.trade(OLD, CYCLES)
    engine = lives.trade(NEW)
    assert engine.recovered.change is not None
    assert engine.recovered.change.difference == ""
    assert engine.core.state.risk.state is TradingState.ACTIVE
    assert engine.core.state.code == NEW
    told = [n for n in lives.notices if n.type is EventType.ERROR and n.fields["component"] == CODE_CHANGED]
    assert [notice.severity for notice in told] == [Severity.INFO]
    fed, state = lives.replayed()
    assert fed.difference is None
    assert [passed.code for passed in fed.passed] == [OLD]
    assert state.digest.texts() == engine.core.state.digest.texts()


def test_the_same_code_that_cannot_give_what_is_on_file_is_restricted_too(lives: Lives) -> None:
    """Another machine, say: the version is the same, the numbers are not."""
    lives.trade(OLD, CYCLES)
    lives.kill()
    lives.patch.setattr(deciding, "decide", Decides(-7.0, 1))
    engine = engine_over(lives.state_dir, lives.promises, venue_file=lives.folder / "venue.json")
    try:
        asyncio.run(engine.run(2))
    finally:
        engine.close()
    assert engine.recovered.change is not None
    assert engine.recovered.change.before == engine.recovered.change.code == OLD
    assert engine.core.state.risk.state is TradingState.REDUCE_ONLY
    fed, state = lives.replayed()
    assert (fed.difference, len(fed.passed)) == (None, 1)
    assert state.digest.texts() == engine.core.state.digest.texts()


def test_code_that_fails_on_what_is_on_file_does_not_start(killed: Lives) -> None:
    def raises(*_: Any) -> Any:
        raise ZeroDivisionError("new code")

    killed.runs(NEW)
    killed.patch.setattr(deciding, "decide", raises)
    run = recorded_run(killed.state_dir)
    assert run is not None
    with pytest.raises(StateError, match=r"use the code that wrote it: first difference at event \d+: .*stage handler"):
        resume_run(killed.state_dir, start_core(killed.state_dir, run))


def test_an_operator_s_word_between_the_two_is_no_change_of_code(killed: Lives, tmp_path: Path) -> None:
    """`control` reads the folder with the new code, and leaves the change to the start, which carries it out."""
    from LIVE_TRADING.cli.control import control

    shutil.copy(killed.folder / "venue.json", killed.state_dir / "venue.json")
    killed.runs(NEW)
    assert control("resume", "no reason", killed.state_dir) == ExitCode.DONE
    events = [r.data[0] for r in read_journal(killed.state_dir / FOLDER) if r.kind == "event"]
    assert "CodeChanged" not in events
    engine = killed.trade(NEW, 1)
    assert engine.core.state.risk.state is TradingState.REDUCE_ONLY
