"""A power cut at any operation of a session loses nothing that left the process; leaving out any one sync does."""

from __future__ import annotations

# covers: B8, P18, P19
import itertools
from pathlib import Path

import pytest
from power_cut import MODES, PowerCutError, PowerCutFileLayer
from small_session import Promises, losses, trade

# every kind of sync that the engine does; a new one has to be added here, and proves that it is needed
SYNCS = (
    "folder of state",
    "fsync of arrays of the start",
    "folder of arrays of the start, journal",
    "folder of first segment",
    "fdatasync of first segment",
    "fdatasync of segment",
    "folder of segment",
    "fsync of compressed segment",
    "folder of compressed segment",
    "fsync of arrays",
    "folder of arrays",
    "fsync of engine_state.json",
    "fsync of engine_state.previous.json",
    "fsync of trades.json",
    "fsync of bandit_state.json",
    "folder of bandit_state.json, engine_state.json, engine_state.previous.json, trades.json",
)
FIRST_EXPORTS = "folder of bandit_state.json, engine_state.json, trades.json"  # the same, without one to keep


def session(folder: Path, **options: object) -> tuple[PowerCutFileLayer, Promises, bool]:
    """Trade until the power is cut; return the layer, what was promised, and whether it was cut."""
    folder.mkdir()
    layer, promises = PowerCutFileLayer(folder, **options), Promises()  # type: ignore[arg-type]
    try:
        trade(folder / "state", promises, layer)
    except (PowerCutError, BaseExceptionGroup):
        assert layer.is_off
    return layer, promises, layer.is_off


def test_a_whole_session_is_on_the_disk_and_does_everything(tmp_path: Path) -> None:
    layer, promises, was_cut = session(tmp_path / "root")
    assert not was_cut
    assert len(promises.sent) >= 30
    assert len(promises.arrays) >= 4
    assert len(promises.exports) >= 4
    together = "folder of compressed segment, segment"  # a thread compresses while another segment begins
    assert {label for label in layer.labels if "nothing new" not in label} - {together} == {*SYNCS, FIRST_EXPORTS}
    for mode in MODES:
        assert losses(layer.left_on_disk(mode, tmp_path / mode) / "state", promises) == []


@pytest.fixture(scope="module")
def n_operations(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Of the whole session, about: what a thread does when differs from run to run."""
    return session(tmp_path_factory.mktemp("whole") / "root")[0].operations


def cut_and_look(folder: Path, cut_at: int, modes: tuple[str, ...]) -> bool:
    """Return whether the power was cut: not if the session was over by then."""
    layer, promises, was_cut = session(folder / "root", cut_at=cut_at)
    for mode in modes:
        left = layer.left_on_disk(mode, folder / mode)
        assert losses(left / "state", promises) == [], (cut_at, mode, layer.log[-6:])
    return was_cut


@pytest.mark.parametrize("number", range(24))
def test_a_cut_at_one_operation_in_many(tmp_path: Path, n_operations: int, number: int) -> None:
    cut_at = 1 + number if number < 8 else 1 + number * n_operations // 24 + number % 7
    cut_and_look(tmp_path, cut_at, (MODES[number % len(MODES)],))


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, 21))
def test_a_cut_at_every_operation(tmp_path: Path, first: int) -> None:
    """To the session's end, wherever that is."""
    for cut_at in itertools.count(first, 20):
        folder = tmp_path / f"{cut_at}"
        folder.mkdir()
        if not cut_and_look(folder, cut_at, MODES):
            break


@pytest.mark.parametrize("label", SYNCS)
def test_without_any_one_sync_something_is_lost(tmp_path: Path, label: str) -> None:
    """The session with one kind of sync left out; the disk is looked at when a promise follows."""
    root = tmp_path / "root"
    root.mkdir()
    layer, promises = PowerCutFileLayer(root, skipped={label, *_same_call(label)}), Promises()
    looks: list[tuple[Path, Promises]] = []

    def look() -> None:
        if layer.has_skipped and len(looks) < 40:
            folder = tmp_path / f"look-{len(looks)}"
            looks.append((folder, promises.copy()))
            for mode in MODES:
                layer.left_on_disk(mode, folder / mode)

    promises.on_made = layer.on_removal = look
    trade(root / "state", promises, layer)
    look()
    disks = ((folder / mode / "state", made) for folder, made in looks for mode in MODES)
    assert any(losses(disk, made) for disk, made in disks), f"nothing is lost without {label}: is it needed?"


def _same_call(label: str) -> set[str]:
    if "bandit_state" in label:
        return {FIRST_EXPORTS}
    if label in ("folder of compressed segment", "folder of segment"):
        return {"folder of compressed segment, segment"}
    return set()
