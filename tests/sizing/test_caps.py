"""Caps on the book: what is reserved, how increases shrink, what drift costs."""

# covers: P14

from __future__ import annotations

import numpy as np
import pytest

from LIVE_TRADING.sizing import CapsConfig, ExposureCaps
from LIVE_TRADING.sizing.caps import Room, exact_sum, reserved_weight, room_of, sides

CAPS = ExposureCaps(CapsConfig(), max_weight=0.05)
NAN = np.nan


@pytest.mark.parametrize(
    ("held", "working", "expected"),
    [
        pytest.param(0.02, 0.0, 0.02, id="nothing-works"),
        pytest.param(0.0, 0.03, 0.03, id="an-entry-counts-when-sent"),
        pytest.param(0.02, 0.01, 0.03, id="an-increase-too"),
        pytest.param(0.02, -0.02, 0.02, id="an-exit-frees-nothing-until-filled"),
        pytest.param(-0.02, -0.01, -0.03, id="shorts-alike"),
        pytest.param(-0.02, 0.02, -0.02, id="nor-does-the-exit-of-a-short"),
        pytest.param(0.02, -0.04, 0.02, id="of-two-as-large-what-is-held"),
        pytest.param(NAN, 0.01, NAN, id="unknown-stays-unknown"),
    ],
)
def test_reserved(held, working, expected):
    assert reserved_weight(np.array([held]), np.array([working])) == pytest.approx([expected], nan_ok=True)


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        pytest.param(Room(gross=0.0, net=0.0, long=0.2, short=0.1), (1.0, 1.0), id="room-for-all"),
        pytest.param(Room(gross=0.9, net=0.0, long=0.1, short=0.1), (0.5, 0.5), id="gross-halves-both"),
        pytest.param(Room(gross=1.0, net=0.0, long=0.1, short=0.1), (0.0, 0.0), id="gross-is-full"),
        pytest.param(Room(gross=1.2, net=0.0, long=0.1, short=0.1), (0.0, 0.0), id="gross-is-overfull"),
        pytest.param(Room(gross=1.0, net=0.0, long=0.0, short=0.0), (0.0, 0.0), id="full-with-nothing-to-add"),
        pytest.param(Room(gross=0.4, net=0.4, long=0.0, short=0.0), (1.0, 1.0), id="nothing-to-add"),
        pytest.param(Room(gross=0.2, net=0.2, long=0.2, short=0.0), (0.5, 1.0), id="net-halves-the-longs"),
        pytest.param(Room(gross=0.2, net=-0.2, long=0.0, short=0.2), (1.0, 0.5), id="net-halves-the-shorts"),
        pytest.param(Room(gross=0.2, net=0.2, long=0.2, short=0.1), (1.0, 1.0), id="shorts-make-room-for-longs"),
        pytest.param(Room(gross=0.4, net=0.4, long=0.1, short=0.1), (0.0, 1.0), id="beyond-the-cap-only-against"),
        pytest.param(Room(gross=0.5, net=0.4, long=0.1, short=0.05), (0.0, 1.0), id="net-is-never-forced-back"),
        # gross: 0.5/0.8; then long 0.625·0.8 = 0.5 is scaled to 0.3
        pytest.param(Room(gross=0.5, net=0.0, long=0.8, short=0.0), (0.375, 0.625), id="gross-then-net"),
        pytest.param(Room(gross=NAN, net=0.0, long=0.1, short=0.0), (0.0, 0.0), id="gross-unknown-adds-nothing"),
        pytest.param(Room(gross=0.0, net=NAN, long=0.1, short=0.0), (0.0, 0.0), id="net-unknown-adds-nothing"),
    ],
)
def test_scales(room, expected):
    assert CAPS.scales(room) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("room", "expected"),
    [
        pytest.param(Room(gross=0.75, net=0.0, long=0.125, short=0.125), True, id="gross-is-inclusive"),
        pytest.param(Room(gross=0.75, net=0.0, long=0.125, short=0.25), False, id="gross-counts-both-sides"),
        pytest.param(Room(gross=0.25, net=0.125, long=0.125, short=0.0), True, id="net-is-inclusive"),
        pytest.param(Room(gross=0.25, net=-0.125, long=0.0, short=0.125), True, id="net-short-is-inclusive"),
        pytest.param(Room(gross=0.25, net=0.125, long=0.25, short=0.25), False, id="shorts-may-come-to-nothing"),
        pytest.param(Room(gross=0.25, net=-0.125, long=0.25, short=0.25), False, id="longs-may-come-to-nothing"),
    ],
)
def test_fits(room, expected):
    assert ExposureCaps(CapsConfig(net_cap=0.25), max_weight=0.05).fits(room) is expected


@pytest.mark.parametrize(
    ("beyond", "is_scaled"),
    [
        pytest.param(0.7e-9, False, id="within-rounding"),
        pytest.param(1.0e-9, False, id="rounding-is-inclusive"),
        pytest.param(1.5e-9, True, id="more-than-rounding"),
    ],
)
def test_a_net_beyond_its_cap_by_rounding_is_left_alone(beyond, is_scaled):
    added = 0.3 + beyond
    scale = 0.3 / added if is_scaled else 1.0
    longs, shorts = Room(0.0, 0.0, added, 0.0), Room(0.0, 0.0, 0.0, added)
    assert CAPS.rescale((1.0, 1.0), longs, added, 0.0) == (scale, 1.0)
    assert CAPS.rescale((1.0, 1.0), shorts, 0.0, added) == (1.0, scale)


@pytest.mark.parametrize(
    ("target", "held", "expected"),
    [
        pytest.param([1.05 * 0.05], [1.05 * 0.05], [1.05 * 0.05], id="drift-at-the-tolerance"),
        pytest.param([0.0525], [0.0525], [0.0525], id="drift-up-to-the-tolerance"),
        pytest.param([0.053], [0.053], [0.05], id="drift-beyond-is-cut-to-the-cap"),
        pytest.param([-0.053], [-0.053], [-0.05], id="shorts-alike"),
        pytest.param([0.02], [0.053], [0.02], id="a-smaller-target-stands"),
        pytest.param([0.0], [0.3], [0.0], id="an-exit-stands"),
        pytest.param([0.05] * 21, [0.05] * 21, [0.05] * 21, id="gross-up-to-the-tolerance"),
        pytest.param([0.05] * 22, [0.05] * 22, [1.0 / 22] * 22, id="gross-beyond-is-cut-to-the-cap"),
        pytest.param([0.05] * 19 + [0.0] * 3, [0.05] * 22, [0.05] * 19 + [0.0] * 3, id="exits-suffice"),
        pytest.param([0.05] * 21 + [0.0], [0.05] * 22, [1.0 / 21] * 21 + [0.0], id="exits-come-first"),
        pytest.param(
            [0.05] * 22 + [0.04], [0.05] * 22 + [0.0], [1.0 / 22] * 22 + [0.0], id="a-book-that-is-cut-adds-nothing"
        ),
        pytest.param(
            [-0.05] * 23, [-0.05] * 22 + [-0.02], [-0.05 / 1.12] * 22 + [-0.02 / 1.12], id="nor-adds-to-a-short"
        ),
        pytest.param([NAN] + [0.05] * 22, [NAN] + [0.05] * 22, [NAN] + [0.05] * 22, id="unknown-book-is-not-cut"),
        pytest.param([0.0], [2.0], [0.0], id="everything-leaves"),
    ],
)
def test_drift(target, held, expected):
    got = CAPS.cut_drift(np.array(target), np.array(held))
    assert got == pytest.approx(expected, nan_ok=True)


def test_drift_is_measured_against_the_cap_that_is_set():
    caps = ExposureCaps(CapsConfig(gross_cap=0.5), max_weight=0.05)
    held = np.full(10, 0.05)
    assert caps.cut_drift(held, held) is held
    more = np.full(11, 0.05)
    assert caps.cut_drift(more, more) == pytest.approx(0.5 / 11)


def test_without_drift_the_targets_are_returned_as_they_are():
    target = np.array([0.05, -0.02])
    assert CAPS.cut_drift(target, np.array([0.05, 0.0])) is target


def test_the_room_is_summed_exactly():
    tiny = [1e-16] * 10  # ten of them are more than the last bit of 1, one is not
    weights = np.array([1.0, *tiny])
    exactly = 1.0 + 1e-15
    assert sum(weights.tolist()) == 1.0
    assert room_of(weights, weights) == Room(gross=exactly, net=exactly, long=exactly, short=0.0)
    assert room_of(-weights, -weights) == Room(gross=exactly, net=-exactly, long=0.0, short=exactly)


def test_sides_of_any_size():
    assert sides(np.array([1.0, -1.0, 0.25, 0.0, -0.5])) == (1.25, 1.5)


def test_sums_do_not_depend_on_order():
    rng = np.random.default_rng(3)
    values = rng.normal(size=500) * 10.0 ** rng.integers(-12, 3, 500)
    sums = {exact_sum(rng.permutation(values)) for _ in range(20)}
    assert len(sums) == 1


@pytest.mark.parametrize("given_values", [{"gross_cap": 0.0}, {"net_cap": -1.0}, {"drift_frac": 2.0}, {"net": 1.0}])
def test_impossible_settings_are_refused(given_values):
    with pytest.raises(ValueError, match=next(iter(given_values))):
        CapsConfig(**given_values)
