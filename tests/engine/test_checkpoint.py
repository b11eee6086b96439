"""Checkpoints: whole or not at all, read strictly, and a restart from one is as if nothing had happened."""

from __future__ import annotations

# covers: P4, P18, P20, P15
import errno
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from core_desk import Desk, Wish, assert_reads_back, leave, orders_of, state_bytes

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.file_layer import OsFileLayer
from LIVE_TRADING.common.types import Action
from LIVE_TRADING.engine.checkpoint import (
    SCHEMA,
    Checkpoints,
    arrays_name,
    can_checkpoint,
    decode_core,
    encode_core,
)
from LIVE_TRADING.engine.resume import resume_run, start_core
from LIVE_TRADING.learning import BanditPersistence
from LIVE_TRADING.models.snapshot import decode_arrays, encode_arrays
from LIVE_TRADING.risk import RiskMemory, TradingState
from tests.support.journals import journal_lines

MakeDesk = Callable[..., Desk]


@pytest.fixture
def busy(desk: Desk) -> Desk:
    """A desk with a trade, a position, working orders, a latch and a stranger behind it."""
    desk.enter("AAA", 10)
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    desk.fill(exit_order, 10)
    desk.enter("BBB", -20)
    part = desk.enter("CCC", 30, fill=False)
    desk.fill(part, "12.000", price="101.50")
    desk.fill(part, 1, order_id="not-ours")
    desk.decide(AAA=Wish(Action.NONE, 0), CCC=leave())
    desk.control("halt", "dinner")
    return desk


def checkpoints_of(desk: Desk, folder: Path, **options: Any) -> Checkpoints:
    return Checkpoints(folder, desk.plan.run, desk.plan.assembly, **options)


def json_part(data: bytes) -> dict[str, Any]:
    part: dict[str, Any] = orjson.loads(decode_arrays(data)["core"]["json"].tobytes())
    return part


def with_json(data: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    parts = decode_arrays(data)
    record = orjson.loads(parts["core"]["json"].tobytes())
    change(record)
    parts["core"]["json"] = np.frombuffer(orjson.dumps(record), dtype=np.uint8)
    return encode_arrays(parts)


# -- the arrays file -------------------------------------------------------------------------------------------------


def test_a_state_comes_back_as_it_went(busy: Desk) -> None:
    state, seq = decode_core(state_bytes(busy, 17), "memory", busy.plan.assembly)
    before = busy.core.state
    assert seq == 17
    assert (state.ledger, state.orders, state.risk, state.digest) == (
        before.ledger,
        before.orders,
        before.risk,
        before.digest,
    )
    assert (state.trades, state.matured, state.last_order_ns) == (before.trades, before.matured, before.last_order_ns)
    assert (state.session, state.order_number, state.equity) == (before.session, before.order_number, before.equity)
    assert str(state.orders.open) == str(before.orders.open)  # amounts with every digit
    assert np.array_equal(state.bandit.cumulative_loss, before.bandit.cumulative_loss)
    assert np.array_equal(state.quotes.price, before.quotes.price, equal_nan=True)
    assert_reads_back(busy)


def test_nothing_under_way_is_left_out(desk: Desk) -> None:
    assert can_checkpoint(desk.core.state)
    desk.bars()
    assert not can_checkpoint(desk.core.state)
    desk.trigger("cycle", desk.bar_end_ns)
    assert not can_checkpoint(desk.core.state)
    desk.predictions()
    assert can_checkpoint(desk.core.state)


def test_risk_and_bandit_are_kept_by_those_who_know_them(busy: Desk) -> None:
    core = json_part(state_bytes(busy))["core"]
    assert core["risk"] == busy.core.state.risk.to_dict()
    persistence = BanditPersistence(busy.plan.assembly.learning, busy.plan.run.horizons)
    assert core["bandit"] == persistence.to_dict(busy.core.state.bandit)
    assert core["risk"]["state"] == "halted"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema=SCHEMA + 1), "newer"),
        (lambda r: r.pop("schema"), "cannot be read"),
        (lambda r: r.update(core=None), "cannot be read"),
        (lambda r: r["core"].pop("orders"), "orders missing or unknown"),
        (lambda r: r["core"].update(mood="good"), "mood missing or unknown"),
        (lambda r: r["core"]["ledger"].update(fees="many"), "cannot be read"),
        (lambda r: r["core"]["ledger"].update(fees=None), "cannot be read"),
        (lambda r: r["core"]["ledger"]["cash"].update(USD="1e"), "cannot be read"),
        (lambda r: r["core"]["quotes"].update(price=["a"]), "cannot be read"),
        (lambda r: r["core"]["risk"].update(state="active"), "risk state cannot be read"),
        (lambda r: r["core"]["risk"].pop("latches"), "risk state cannot be read"),
        (lambda r: r["core"]["risk"]["latches"].clear(), "risk state cannot be read"),
        (lambda r: r["core"]["risk"].update(peak_equity_usd="NaN"), "risk state cannot be read"),
        (lambda r: r["core"]["bandit"].update(cumulative_loss=[1.0]), "bandit state"),
        (lambda r: r["core"]["bandit"].update(arms=["5m"]), "bandit state"),
        (lambda r: r["core"]["bandit"].update(config_fingerprint="0"), "bandit state"),
    ],
)
def test_what_is_not_to_be_trusted_is_refused(
    busy: Desk, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    with pytest.raises(StateError, match=f"the-file: .*{message}"):
        decode_core(with_json(state_bytes(busy), change), "the-file", busy.plan.assembly)


def test_every_kind_of_damage_is_a_state_error_or_no_damage(busy: Desk) -> None:
    """Cut anywhere, or a byte changed: never another state, never an error of another kind."""
    data = state_bytes(busy, 5)
    chance = random.Random(4)
    positions = sorted(chance.sample(range(len(data)), 120)) + list(range(80)) + list(range(len(data) - 80, len(data)))
    for position in positions:
        altered = bytearray(data)
        altered[position] ^= 1 << chance.randrange(8)
        try:
            state, seq = decode_core(bytes(altered), "the-file", busy.plan.assembly)
        except StateError:
            continue
        assert encode_core(state, seq, busy.plan.assembly) == data
    for size in (0, 1, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(StateError, match="the-file"):
            decode_core(data[:size], "the-file", busy.plan.assembly)


@pytest.mark.parametrize("name", ["indicators.closes", "sums.ring", "session.high"])
def test_a_market_memory_of_other_symbols_or_settings_is_refused(busy: Desk, name: str) -> None:
    parts = decode_arrays(state_bytes(busy))
    parts["features"][name] = parts["features"][name][..., :-1]
    with pytest.raises(StateError, match=f"the-file: .*{name}.*symbols with these settings"):
        decode_core(encode_arrays(parts), "the-file", busy.plan.assembly)


# -- files for people ------------------------------------------------------------------------------------------------


def test_the_state_file_says_what_an_operator_asks(busy: Desk, tmp_path: Path) -> None:
    checkpoints_of(busy, tmp_path).write_state(busy.core.state, 42)
    state, trades, bandit = (
        orjson.loads((tmp_path / name).read_bytes())
        for name in ("engine_state.json", "trades.json", "bandit_state.json")
    )
    assert state["journal_seq"] == trades["seq"] == bandit["seq"] == 42
    assert state["cycle_number"] == busy.core.state.cycle_number
    assert state["portfolio_value"] == str(busy.core.state.equity.normalize())
    assert Decimal(state["cash"]["USD"]) == busy.core.state.ledger.cash["USD"]
    assert {name: Decimal(shares) for name, shares in state["positions"].items()} == {"BBB": -20, "CCC": 13}
    assert list(state["open_orders"].values()) == ["partially_filled"]
    assert state["risk"]["state"] == "halted"
    assert state["last_update_ns"] == busy.core.state.now_ns
    assert (state["run_digest"], state["run_id"]) == (busy.core.state.digest.texts()["run_digest"], "desk")
    assert state["trade_history"] == trades["trades"]
    assert [trade["symbol"] for trade in trades["trades"]] == ["AAA"]
    assert RiskMemory.from_dict(state["risk"]).state is TradingState.HALTED
    persistence = BanditPersistence(busy.plan.assembly.learning, busy.plan.run.horizons)
    assert persistence.from_dict(bandit).rounds == busy.core.state.bandit.rounds


def test_a_trade_changes_the_bandit_and_both_stand_on_file(desk: Desk, tmp_path: Path) -> None:
    desk.enter("AAA", 10)
    (exit_order,) = orders_of(desk.decide(AAA=leave()))
    desk.fill(exit_order, 10, price="101")
    desk.decide()
    assert desk.core.state.bandit.rounds == 1
    checkpoints_of(desk, tmp_path).write_state(desk.core.state, 1)
    assert orjson.loads((tmp_path / "bandit_state.json").read_bytes())["rounds"] == 1


# -- generations -----------------------------------------------------------------------------------------------------


def test_two_generations_and_the_start_are_kept(desk: Desk, tmp_path: Path) -> None:
    checkpoints = checkpoints_of(desk, tmp_path)
    for seq in (0, 3, 11, 200):
        checkpoints.write_arrays(desk.core.state, seq)
    assert [path.name for path in checkpoints.generations()] == [arrays_name(0), arrays_name(11), arrays_name(200)]
    assert checkpoints.load(tmp_path / arrays_name(11))[1] == 11


class Broken(OsFileLayer):
    """Fails at the named operation."""

    def __init__(self, operation: str) -> None:
        self.operation = operation

    def _may_fail(self, name: str) -> None:
        if name == self.operation:
            raise OSError(errno.ENOSPC, "No space left on device")

    def write(self, descriptor: int, data: bytes) -> None:
        self._may_fail("write")
        super().write(descriptor, data)

    def fsync(self, descriptor: int) -> None:
        self._may_fail("fsync")
        super().fsync(descriptor)

    def replace(self, source: Path, target: Path) -> None:
        self._may_fail("replace")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        self._may_fail("remove")
        super().remove(path)

    def read_bytes(self, path: Path) -> bytes:
        self._may_fail("read_bytes")
        return super().read_bytes(path)


@pytest.mark.parametrize("operation", ["write", "fsync", "replace"])
def test_a_checkpoint_that_cannot_be_written_leaves_the_ones_before(desk: Desk, tmp_path: Path, operation: str) -> None:
    good, broken = checkpoints_of(desk, tmp_path), checkpoints_of(desk, tmp_path, files=Broken(operation))
    for seq in (3, 11):
        good.write_arrays(desk.core.state, seq)
    good.write_state(desk.core.state, 11)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for write in (broken.write_arrays, broken.write_state):
        with pytest.raises(StateError, match="No space left"):
            write(desk.core.state, 200)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_old_ones_that_cannot_be_removed_are_said(desk: Desk, tmp_path: Path) -> None:
    good, broken = checkpoints_of(desk, tmp_path), checkpoints_of(desk, tmp_path, files=Broken("remove"))
    for seq in (3, 11):
        good.write_arrays(desk.core.state, seq)
    with pytest.raises(StateError, match="cannot be removed"):
        broken.write_arrays(desk.core.state, 200)
    assert good.load(tmp_path / arrays_name(200))[1] == 200


def test_one_that_cannot_be_read_is_named(desk: Desk, tmp_path: Path) -> None:
    checkpoints_of(desk, tmp_path).write_arrays(desk.core.state, 3)
    with pytest.raises(StateError, match=r"arrays-000000000003\.npz: cannot be read"):
        checkpoints_of(desk, tmp_path, files=Broken("read_bytes")).load(tmp_path / arrays_name(3))


def test_one_of_schema_2_is_read(desk: Desk) -> None:
    """It did not say which code decides, nor hold bars that await their cycle."""
    desk.enter("AAA", 10)
    data = state_bytes(desk, 3)
    arrays = decode_arrays(data)
    record = orjson.loads(arrays["core"]["json"].tobytes())
    for name in ("code", "collected"):
        del record["core"][name]
    arrays["core"]["json"] = np.frombuffer(orjson.dumps(record | {"schema": 2}), dtype=np.uint8)
    state, seq = decode_core(encode_arrays(arrays), "memory", desk.plan.assembly)
    assert (seq, state.code, state.collected) == (3, "", ())
    assert encode_core(state, 3, desk.plan.assembly) == data


def test_what_other_code_leaves_holds_bars_that_await_their_cycle_and_goes_with_its_events(
    desk: Desk, tmp_path: Path
) -> None:
    desk.enter("AAA", 10)
    desk.bars(BBB=float("nan"))
    checkpoints = checkpoints_of(desk, tmp_path)
    for seq in (7, 20):
        checkpoints.write_change(desk.core.state, seq)
    assert checkpoints.change_after(6) is None
    left = checkpoints.change_after(20)
    assert left is not None
    assert encode_core(left, 0, desk.plan.assembly) == state_bytes(desk)
    assert len(left.collected) == 1
    assert checkpoints.sequences() == []  # a restart does not begin there
    with pytest.raises(StateError, match=r"code-000000000007\.npz: cannot be removed"):
        checkpoints_of(desk, tmp_path, files=Broken("remove")).drop_changes(20)
    checkpoints.drop_changes(20)
    assert checkpoints.change_after(7) is None
    assert checkpoints.change_after(20) is not None


# -- restarting from them --------------------------------------------------------------------------------------------


@pytest.fixture
def stored(make_desk: MakeDesk) -> tuple[Desk, Path, list[int]]:
    """A session on file with checkpoints at its start, in its middle and near its end, and orders after the last."""
    desk = make_desk()
    assert desk.folder is not None
    folder = desk.folder
    checkpoints = checkpoints_of(desk, folder)
    checkpoints.write_arrays(desk.plan.core().state, 0)
    desk.open(0)
    desk.enter("AAA", 10)
    checkpoints.write_arrays(desk.core.state, desk.driver.seq)
    middle = desk.driver.seq
    desk.enter("BBB", 20)
    checkpoints.write_arrays(desk.core.state, desk.driver.seq)
    late = desk.driver.seq
    desk.decide(AAA=leave())
    return desk, folder, [0, middle, late]


def restored(desk: Desk, folder: Path) -> tuple[bytes, int]:
    core = start_core(folder, desk.plan.run)
    recovered = resume_run(folder, core)
    journal = recovered.driver.journal
    assert journal is not None
    journal.close()
    return encode_core(core.state, 0, desk.plan.assembly), recovered.checkpoint_seq


def spoil(folder: Path, seq: int) -> None:
    path = folder / arrays_name(seq)
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize("spoiled", [0, 1, 2])
def test_a_restart_uses_the_newest_that_can_be_read_and_ends_the_same(
    stored: tuple[Desk, Path, list[int]], spoiled: int
) -> None:
    desk, folder, generations = stored
    for seq in generations[len(generations) - spoiled :]:
        if seq == 0:
            continue
        spoil(folder, seq)
    expected = generations[len(generations) - 1 - spoiled]
    if spoiled:
        with pytest.warns(RuntimeWarning, match="going on from the one before"):
            state, seq = restored(desk, folder)
    else:
        state, seq = restored(desk, folder)
    assert seq == expected
    assert state == state_bytes(desk)


def test_without_any_that_can_be_read_nothing_starts(stored: tuple[Desk, Path, list[int]]) -> None:
    desk, folder, generations = stored
    core = start_core(folder, desk.plan.run)
    before = journal_lines(folder)
    for seq in generations:
        spoil(folder, seq)
    with pytest.warns(RuntimeWarning), pytest.raises(StateError, match="no checkpoint can be read"):
        resume_run(folder, core)
    assert journal_lines(folder) == before


def test_a_latch_survives_the_restart(stored: tuple[Desk, Path, list[int]]) -> None:
    desk, folder, _ = stored
    desk.control("halt", "dinner")
    checkpoints_of(desk, folder).write_arrays(desk.core.state, desk.driver.seq)
    core = start_core(folder, desk.plan.run)
    recovered = resume_run(folder, core)
    assert core.state.risk.state is TradingState.HALTED
    assert core.state.risk.latches[0].message == "dinner"
    assert recovered.driver.journal is not None
    recovered.driver.journal.close()


def test_a_position_entered_before_the_restart_is_known_after_it(stored: tuple[Desk, Path, list[int]]) -> None:
    desk, folder, _ = stored
    core = start_core(folder, desk.plan.run)
    recovered = resume_run(folder, core)
    assert core.state.ledger.positions == desk.core.state.ledger.positions
    assert core.state.last_order_ns == desk.core.state.last_order_ns
    assert [record.order for record in core.state.orders.open.values()] == [
        record.order for record in desk.core.state.orders.open.values()
    ]
    assert recovered.driver.journal is not None
    recovered.driver.journal.close()
