"""Feeding a journal back: what a crash left half done, and where code and record part."""

from __future__ import annotations

# covers: P18, P27, P22
import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from core_desk import (
    Desk,
    Wish,
    WishedDecisions,
    assert_replays,
    enter,
    leave,
    orders_of,
    plan_of,
    risk_reason,
)

from LIVE_TRADING.common.events import CycleAborted, SystemFault
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.journal import Journal, JournalRecord, read_journal, to_line
from LIVE_TRADING.engine.orders import OrderStatus
from LIVE_TRADING.engine.recovery import NEVER_SENT, FeedResult, feed_journal
from tests.support.journals import write_journal

MakeDesk = Callable[..., Desk]


def records_of(desk: Desk) -> list[JournalRecord]:
    assert desk.journal is not None
    return list(read_journal(desk.journal.folder))


def fed(records: list[JournalRecord], **options: Any) -> FeedResult:
    return feed_journal(plan_of(**options).core(), records)


def restarted(desk: Desk, records: list[JournalRecord], folder: Path) -> tuple[Desk, FeedResult]:
    """The next process over a copy of these records, in the words of a desk."""
    folder.mkdir()
    write_journal(folder, map(to_line, records))
    after = Desk(plan_of(**desk.options), None, desk.wished, desk.options)
    after.journal = Journal(folder)
    result = feed_journal(after.core, read_journal(after.journal.folder))
    assert result.difference is None
    after.driver = Driver(after.core, after.journal, next_seq=result.last_seq + 1)
    after.session, after.slot, after.prices = desk.session, desk.slot, desk.prices
    after._executions = desk._executions
    if result.unfinished is not None:
        result.unfinished.settle(after.driver)
    if after.core.state.pending is not None:
        after.tell(CycleAborted(after.core.state.pending.cycle_time_ns, "restart"))
    return after, result


# -- what a crash leaves half done -----------------------------------------------------------------------------------


def test_orders_whose_intent_was_not_on_file_were_never_sent(desk: Desk, tmp_path: Path) -> None:
    (order,) = orders_of(desk.decide(AAA=enter(10)))
    records = records_of(desk)
    assert records[-1].kind == "commands"
    after, result = restarted(desk, records[:-1], tmp_path / "next")
    assert result.unfinished is not None
    record = after.record(order)
    assert (record.status, record.venue_reason) == (OrderStatus.REJECTED, NEVER_SENT)
    assert after.core.state.orders.open == {}
    assert len(orders_of(after.decide(AAA=enter(10)))) == 1
    assert_replays(after)  # a later restart finds the commands on file


def test_a_cancel_that_was_not_on_file_is_asked_for_again(desk: Desk, tmp_path: Path) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, 4)
    desk.decide(AAA=leave())
    after, _ = restarted(desk, records_of(desk)[:-1], tmp_path / "next")
    assert after.record(order).cancel_asked_ns >= 0  # so a start asks for it: see test_cancels_at_start
    assert after.record(order).then_exit
    assert_replays(after)


def test_a_cycle_whose_request_was_not_on_file_is_aborted(desk: Desk, tmp_path: Path) -> None:
    desk.decide(slot=0)
    desk.cycle()
    after, result = restarted(desk, records_of(desk)[:-1], tmp_path / "next")
    assert result.unfinished is not None
    assert after.core.state.pending is None
    after.decide(AAA=enter(10))
    assert_replays(after)


@pytest.mark.parametrize("kept", range(1, 30))
def test_a_restart_after_any_record_goes_on(desk: Desk, tmp_path: Path, kept: int) -> None:
    for _ in range(2):
        desk.decide(AAA=enter(10), BBB=enter(-5))
        for record in tuple(desk.core.state.orders.open.values()):
            desk.fill(record.order, record.order.quantity)
        desk.decide(AAA=leave(), BBB=Wish(Action.HOLD, -7))
        for record in tuple(desk.core.state.orders.open.values()):
            desk.fill(record.order, record.order.quantity)
    records = records_of(desk)
    assert len(records) >= 30
    after, _ = restarted(desk, records[: kept + 1], tmp_path / "next")
    after.decide(slot=70, CCC=enter(10))
    assert_replays(after)


def test_a_record_of_a_failed_handler_is_passed_over(desk: Desk, tmp_path: Path) -> None:
    order = desk.enter(fill=False)
    desk.fill(order, "-4")
    assert [record.kind for record in records_of(desk)].count("failed") == 1
    after, result = restarted(desk, records_of(desk), tmp_path / "next")
    assert after.held() == 0
    assert after.core.state.risk == desk.core.state.risk
    assert result.unfinished is None


def test_feeding_on_from_a_checkpoint_skips_what_it_holds(desk: Desk) -> None:
    desk.enter()
    state, seq = desk.core.state, desk.driver.seq
    desk.decide(AAA=leave())
    core = desk.plan.core()
    core.restore(state)
    result = feed_journal(core, records_of(desk), after_seq=seq)
    assert (result.difference, result.events) == (None, desk.driver.seq - seq)
    assert core.state.orders == desk.core.state.orders


def test_a_journal_that_ends_before_the_checkpoint_is_refused(desk: Desk) -> None:
    desk.decide(slot=0)
    with pytest.raises(StateError, match=r"ends with event 4, the checkpoint follows event 9: it was cut"):
        feed_journal(plan_of().core(), records_of(desk), after_seq=9)


def test_the_cooldown_holds_across_a_restart(make_desk: MakeDesk, tmp_path: Path) -> None:
    desk = make_desk(risk={"cooldown_s": 900.0})
    desk.open(0)
    desk.enter()
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    desk.fill(exit_order, 10)
    after, _ = restarted(desk, records_of(desk), tmp_path / "next")
    assert risk_reason(after.decide(AAA=enter(10))) is Reason.REJECTED
    after.decide()
    (again,) = orders_of(after.decide(AAA=enter(10)))
    assert again.order_number == 3  # numbers go on, so ids do not repeat


# -- records out of place --------------------------------------------------------------------------------------------


def test_a_missing_or_misplaced_record_is_named(desk: Desk) -> None:
    desk.decide(slot=0)
    desk.decide()
    records = records_of(desk)
    events = [at for at, record in enumerate(records) if record.kind == "event"]
    cases = {
        "event 3 stands where event 2 should": [*records[: events[1]], *records[events[2] :]],
        "event 2 stands where event 1 should": records[events[1] :],
        "kind 'commands' and number 3 is out of place": [r for r in records if (r.seq, r.kind) != (3, "event")],
        "kind 'run' and number 0 is out of place": [*records, records[0]],
        "kind 'rumour' and number 4": [*records[: events[3] + 1], JournalRecord(4, 0, "rumour", [])],
    }
    for message, changed in cases.items():
        with pytest.raises(StateError, match=message):
            fed(changed)


@pytest.mark.parametrize(
    "data", [["OrderTeleported", {}], ["OrderAck", {"order_id": 1}], [], [1, 2, 3], ["OrderAck", None]], ids=str
)
def test_an_event_this_version_does_not_know_is_named(desk: Desk, data: list[Any]) -> None:
    with pytest.raises(StateError, match="event 1 is none that this version knows"):
        fed([JournalRecord(1, 0, "event", data)])


def test_a_handler_that_raises_now_and_did_not_then_is_a_difference(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.decide(slot=0)
    records = records_of(desk)

    def raises(*_: object) -> None:
        raise ZeroDivisionError("new code")

    with monkeypatch.context() as patched:
        patched.setattr(WishedDecisions, "__call__", raises)
        difference = fed(records).difference
    assert difference is not None
    assert (difference.stage, difference.replayed) == ("handler", "ZeroDivisionError: new code")
    assert difference.cycle_time_ns == desk.bar_end_ns


# -- where code and record part --------------------------------------------------------------------------------------


@pytest.fixture
def busy(make_desk: MakeDesk) -> Desk:
    """A session in which every kind of command is given."""
    desk = make_desk(risk={"guardrails": True, "max_daily_loss_frac": 0.001, "max_drawdown_frac": 0.9})
    desk.open(0)
    desk.enter("AAA", 100)
    part = desk.enter("BBB", 100, fill=False)
    desk.fill(part, 40)
    desk.decide(BBB=leave())
    (exit_order,) = orders_of(desk.cancelled(part))
    desk.fill(exit_order, 40)
    desk.cycle()
    desk.cycle()  # skipped
    desk.predictions()
    desk.bars(desk.slot)  # late
    desk.cycle(AAA=98.0)
    return desk


CHANGES: dict[str, tuple[str, Callable[[dict[str, Any]], None], str, str]] = {
    "RunInference bars": ("RunInference", lambda f: shift(f["fingerprints"], "bars", 1), "bars", "BBB"),
    "RunInference features": ("RunInference", lambda f: shift(f["fingerprints"], "features", 2), "features", "CCC"),
    "AccountMarked": ("AccountMarked", lambda f: f.update(equity="1"), "AccountMarked", ""),
    "SubmitOrder": ("SubmitOrder", lambda f: f["order"].update(quantity="11"), "SubmitOrder", "AAA"),
    "CancelOrder": ("CancelOrder", lambda f: f.update(reason=1), "CancelOrder", "BBB"),
    "CycleDecided prediction": (
        "CycleDecided",
        lambda f: shift(f["fingerprints"], "prediction", 0),
        "prediction",
        "AAA",
    ),
    "CycleDecided blending": ("CycleDecided", lambda f: shift(f["fingerprints"], "blending", 1), "blending", "BBB"),
    "CycleDecided arbitration": (
        "CycleDecided",
        lambda f: shift(f["fingerprints"], "arbitration", 2),
        "arbitration",
        "CCC",
    ),
    "CycleDecided gating": ("CycleDecided", lambda f: shift(f["fingerprints"], "gating", 0), "gating", "AAA"),
    "CycleDecided sizing": ("CycleDecided", lambda f: shift(f["fingerprints"], "sizing", 1), "sizing", "BBB"),
    "CycleDecided risk": ("CycleDecided", lambda f: shift(f["fingerprints"], "risk", 2), "risk", "CCC"),
    "CycleDecided orders": ("CycleDecided", lambda f: f.update(orders=[]), "orders", ""),
    "CycleSkipped": ("CycleSkipped", lambda f: f.update(reason="other"), "CycleSkipped", ""),
    "TradeClosed": ("TradeClosed", lambda f: f["trade"].update(fees="7"), "TradeClosed", "BBB"),
    "TradingStateChanged": ("TradingStateChanged", lambda f: f.update(new="halted"), "TradingStateChanged", ""),
    "BanditUpdated": ("BanditUpdated", lambda f: f.update(rounds=99), "BanditUpdated", ""),
    "Anomaly": ("Anomaly", lambda f: f.update(kind="other"), "Anomaly", ""),
}


def shift(prints: dict[str, str], stage: str, column: int) -> None:
    """Change the fingerprint of one column."""
    raw = bytearray(base64.b64decode(prints[stage]))
    raw[8 * column] ^= 1
    prints[stage] = base64.b64encode(raw).decode()


@pytest.mark.parametrize("case", sorted(CHANGES))
def test_the_first_difference_names_its_stage_and_symbol(busy: Desk, case: str) -> None:
    kind, change, stage, symbol = CHANGES[case]
    records = [replace(record, data=orjson.loads(orjson.dumps(record.data))) for record in records_of(busy)]
    found = [
        (record.seq, entry)
        for record in records
        if record.kind == "commands"
        for entry in record.data
        if entry[0] == kind
    ]
    seq, entry = found[0]
    change(entry[1])
    difference = fed(records, **busy.options).difference
    assert difference is not None
    assert (difference.seq, difference.stage, difference.symbol) == (seq, stage, symbol)
    assert busy.session.open_ns < difference.cycle_time_ns <= busy.bar_end_ns
    for word in (f"event {seq}", stage, symbol or "(all)"):
        assert word in str(difference)


@pytest.mark.parametrize("how", ["one-less", "one-more", "none"])
def test_commands_that_are_missing_or_too_many_are_named(busy: Desk, how: str) -> None:
    records = records_of(busy)
    at = next(n for n, r in enumerate(records) if r.kind == "commands" and len(r.data) == 2 and r.seq > 5)
    data = records[at].data
    if how == "none":
        changed = [*records[:at], *records[at + 1 :]]
        expected = (data[0][0], "nothing")
    elif how == "one-less":
        changed = [*records[:at], replace(records[at], data=data[:1]), *records[at + 1 :]]
        expected = (data[1][0], "nothing")
    else:
        extra = ["CancelOrder", {"client_order_id": "lt-x", "symbol": "CCC", "reason": 1}]
        changed = [*records[:at], replace(records[at], data=[*data, extra]), *records[at + 1 :]]
        expected = ("CancelOrder", "nothing")
    difference = fed(changed, **busy.options).difference
    assert difference is not None
    assert difference.stage == expected[0]
    assert expected[1] in (difference.recorded, difference.replayed)


@pytest.mark.parametrize(
    ("risk", "stage"),
    [
        ({"max_daily_loss_frac": 0.5}, "TradingStateChanged"),
        ({"max_position_weight": 0.001}, "risk"),
    ],
    ids=["guardrail", "rule"],
)
def test_a_limit_that_is_another_now_is_a_difference(busy: Desk, risk: dict[str, float], stage: str) -> None:
    options = {"risk": {**busy.options["risk"], **risk}}
    difference = fed(records_of(busy), **options).difference
    assert difference is not None
    assert difference.stage == stage


def test_a_replay_tells_its_listener_every_event(busy: Desk) -> None:
    heard: list[int] = []
    core = plan_of(**busy.options).core()
    result = feed_journal(core, records_of(busy), listener=lambda stamped, commands: heard.append(stamped.seq))
    assert heard == list(range(1, busy.driver.seq + 1))
    assert (result.events, result.last_seq) == (busy.driver.seq, busy.driver.seq)
    assert result.last_ns == busy.core.state.now_ns


def test_a_fault_is_replayed_like_any_event(desk: Desk) -> None:
    desk.tell(SystemFault("clock", "jumped", "critical", 0))
    assert fed(records_of(desk)).difference is None
