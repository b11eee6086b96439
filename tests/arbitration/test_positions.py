"""Positions: when they change their horizon, when they leave, and why."""

# covers: P12, P24

from __future__ import annotations

import numpy as np
import pytest
from arbitration_cases import ALL, MIDDAY, NAN, ROW, alphas, arbitrate, at, book_of

from LIVE_TRADING.arbitration import ArbitrationConfig, BestScoreSelector, HorizonArbiter
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Action, BlendResult

ACTION = {
    Reason.HOLD: Action.HOLD,
    Reason.EXTEND: Action.EXTEND,
    Reason.REVERSE: Action.REVERSE,
    Reason.EXIT_ELAPSED: Action.EXIT,
    Reason.EXIT_REVERSED: Action.EXIT,
    Reason.EXIT_SESSION_END: Action.EXIT,
    Reason.EXIT_BARRIER: Action.EXIT,
}


def judge(side, alpha, held="30m", elapsed=False, cost=1.0, moment=MIDDAY, config=None, **barrier):
    """Return the result for one position; alphas are given for a long and mirrored for a short."""
    book = book_of(1, side=side, horizon=held, elapsed=elapsed)
    if side < 0:
        barrier = {{"p_peak": "p_valley", "p_valley": "p_peak"}[name]: p for name, p in barrier.items()}
    return arbitrate(side * alpha, cost, book, moment, config or ArbitrationConfig(), **barrier)


CASES = [
    pytest.param(alphas(_30m=4.0), {}, Reason.HOLD, id="agrees"),
    pytest.param(alphas(_30m=0.1), {}, Reason.HOLD, id="a-position-owes-nothing-to-stay"),
    pytest.param(alphas(_30m=-2.0), {"cost": 5.0}, Reason.HOLD, id="exit-limit-is-exclusive"),
    pytest.param(alphas(_30m=-2.1), {"cost": 5.0}, Reason.EXIT_REVERSED, id="forecast-has-turned"),
    pytest.param(alphas(), {}, Reason.HOLD, id="no-view-holds-until-elapsed"),
    pytest.param(alphas(), {"elapsed": True}, Reason.EXIT_ELAPSED, id="no-view-leaves-when-elapsed"),
    pytest.param(alphas(_30m=0.0), {"elapsed": True}, Reason.EXIT_ELAPSED, id="no-opinion-leaves-when-elapsed"),
    pytest.param(alphas(_30m=-0.5), {"elapsed": True}, Reason.EXIT_ELAPSED, id="turned-a-little-leaves-when-elapsed"),
    pytest.param(alphas(_30m=0.1), {"elapsed": True}, Reason.HOLD, id="elapsed-but-agrees-holds-on"),
    pytest.param(alphas(_30m=-9.0), {"elapsed": True, "cost": 20.0}, Reason.EXIT_ELAPSED, id="elapsed-comes-first"),
    pytest.param(alphas(_30m=4.0), {"cost": NAN}, Reason.HOLD, id="unknown-cost-does-not-force-out"),
    pytest.param(alphas(_30m=-9.0), {"cost": NAN}, Reason.EXIT_REVERSED, id="unknown-cost-does-not-keep-in"),
    # score_held = 6/√6 = 2.449; the bar is 1.25·2.449 + 0.25 = 3.312; 5m scores α − 1
    pytest.param(alphas(_30m=6.0, _5m=4.3), {}, Reason.HOLD, id="better-but-not-by-enough"),
    pytest.param(alphas(_30m=6.0, _5m=4.32), {}, Reason.EXTEND, id="better-by-enough-extends"),
    pytest.param(alphas(_30m=6.0, _5m=-4.3), {}, Reason.HOLD, id="other-side-not-by-enough"),
    pytest.param(alphas(_30m=6.0, _5m=-4.32), {}, Reason.REVERSE, id="other-side-by-enough-reverses"),
    # a negative held score counts 0: the bar is 0.25, and the reserve 0.5
    pytest.param(alphas(_30m=-1.0, _5m=1.4), {}, Reason.HOLD, id="reserve-binds-a-switch"),
    pytest.param(alphas(_30m=-1.0, _5m=1.5), {}, Reason.EXTEND, id="disagreeing-position-takes-a-paying-horizon"),
    pytest.param(alphas(_5m=1.5), {}, Reason.EXTEND, id="no-view-counts-zero-in-the-comparison"),
    pytest.param(alphas(_5m=0.9), {"cost": 0.0}, Reason.EXTEND, id="little-alpha-has-a-side"),
    pytest.param(alphas(_5m=-0.9), {"cost": 0.0}, Reason.REVERSE, id="little-alpha-has-the-other-side"),
    # the same horizon on the other side: net 3 − 1 = 2, score 2/√6 = 0.816
    pytest.param(alphas(_30m=-3.0), {}, Reason.REVERSE, id="own-horizon-turned-and-pays-the-other-way"),
    pytest.param(alphas(_30m=-1.55), {}, Reason.HOLD, id="own-horizon-scores-below-the-margin"),
    pytest.param(alphas(_30m=0.0, _5m=9.0), {"elapsed": True}, Reason.EXTEND, id="elapsed-extends-rather-than-leaves"),
    pytest.param(alphas(_30m=-3.0, _5m=9.0), {}, Reason.EXTEND, id="turned-at-its-horizon-but-another-pays"),
    pytest.param(alphas(_30m=0.0, _5m=-9.0), {"elapsed": True}, Reason.REVERSE, id="elapsed-and-turned-reverses"),
    pytest.param(
        alphas(_30m=0.1, _5m=9.0), {"moment": at(20, stale_predictions=True)}, Reason.HOLD, id="no-switch-on-stale"
    ),
    pytest.param(
        alphas(_30m=-9.0),
        {"moment": at(20, stale_predictions=True)},
        Reason.EXIT_REVERSED,
        id="stale-exits-all-the-same",
    ),
    pytest.param(alphas(_30m=9.0), {"moment": at(75)}, Reason.HOLD, id="before-the-session-closes"),
    pytest.param(alphas(_30m=9.0), {"moment": at(76)}, Reason.EXIT_SESSION_END, id="last-bar-that-can-fill"),
    pytest.param(alphas(_30m=9.0), {"moment": at(77)}, Reason.EXIT_SESSION_END, id="too-late-but-said"),
    pytest.param(alphas(_30m=-9.0), {"moment": at(76)}, Reason.EXIT_REVERSED, id="turned-comes-before-the-close"),
    pytest.param(alphas(_30m=1.0, _1d=90.0), {"moment": at(76)}, Reason.EXIT_SESSION_END, id="no-switch-while-closing"),
    pytest.param(alphas(_1d=9.0), {"moment": at(76), "held": "1d"}, Reason.HOLD, id="a-day-stays-overnight"),
    pytest.param(alphas(_1d=-9.0), {"moment": at(76), "held": "1d"}, Reason.EXIT_REVERSED, id="a-day-may-leave"),
    pytest.param(
        alphas(_30m=9.0), {"moment": at(287, 288, session_ends=False)}, Reason.HOLD, id="a-market-that-never-closes"
    ),
    pytest.param(alphas(_5m=-3.0), {"held": "5m", "cost": 5.0}, Reason.EXIT_REVERSED, id="first-horizon-is-a-horizon"),
    pytest.param(alphas(_30m=9.0), {"held": None}, Reason.EXTEND, id="unknown-horizon-takes-the-first-that-pays"),
    pytest.param(alphas(_30m=1.0), {"held": None}, Reason.HOLD, id="unknown-horizon-waits"),
    pytest.param(alphas(_1d=-2.5), {"held": None}, Reason.HOLD, id="unknown-horizon-is-not-the-last-one"),
    pytest.param(alphas(_30m=1.0), {"held": None, "elapsed": True}, Reason.EXIT_ELAPSED, id="unknown-horizon-elapsed"),
    pytest.param(
        alphas(_1d=9.0), {"held": None, "moment": at(76)}, Reason.EXIT_SESSION_END, id="unknown-horizon-is-intraday"
    ),
    pytest.param(alphas(_30m=4.0), {"p_peak": 0.65}, Reason.HOLD, id="barrier-limit-is-exclusive"),
    pytest.param(alphas(_30m=4.0), {"p_peak": 0.66}, Reason.EXIT_BARRIER, id="a-peak-ends-a-long"),
    pytest.param(alphas(_30m=4.0), {"p_valley": 0.99}, Reason.HOLD, id="a-valley-is-no-reason-for-a-long"),
    pytest.param(alphas(_30m=4.0), {"p_peak": NAN}, Reason.HOLD, id="unknown-probability-ends-nothing"),
    pytest.param(alphas(_30m=0.1, _5m=9.0), {"p_peak": 0.9}, Reason.EXIT_BARRIER, id="barrier-ends-an-extension-too"),
    pytest.param(
        alphas(_30m=9.0), {"p_peak": 0.9, "moment": at(76)}, Reason.EXIT_SESSION_END, id="close-comes-before-barrier"
    ),
]


@pytest.mark.parametrize("side", [pytest.param(+1, id="long"), pytest.param(-1, id="short")])
@pytest.mark.parametrize(("alpha", "more", "expected"), CASES)
def test_what_becomes_of_a_position(side, alpha, more, expected):
    got = judge(side, alpha, **more)
    assert Reason(got.reason[0]) is expected
    assert got.action.tolist() == [ACTION[expected]]
    assert np.isnan(got.entry_probability[0])
    if ACTION[expected] is Action.EXIT:
        assert (got.side.tolist(), got.horizon.tolist()) == ([0], [-1])
    elif expected is Reason.REVERSE:
        assert got.side.tolist() == [-side]
    else:
        assert got.side.tolist() == [side]


@pytest.mark.parametrize("side", [+1, -1])
@pytest.mark.parametrize(
    ("alpha", "more", "horizon", "net"),
    [
        pytest.param(alphas(_30m=4.0), {}, "30m", 3.0, id="held-owes-the-full-cost-in-sizing"),
        pytest.param(alphas(_30m=-1.0), {}, "30m", -2.0, id="disagreement-is-negative"),
        pytest.param(alphas(_30m=1.0, _5m=5.0), {}, "5m", 4.0, id="extended-takes-the-new-horizon"),
        pytest.param(alphas(_30m=1.0, _5m=-5.0), {}, "5m", 4.0, id="reversed-on-the-other-side"),
        pytest.param(alphas(_30m=4.0), {"cost": NAN}, "30m", NAN, id="unknown-cost"),
        pytest.param(alphas(), {}, "30m", NAN, id="no-view"),
        pytest.param(alphas(_30m=1.0), {"held": None}, None, NAN, id="unknown-horizon"),
        pytest.param(alphas(_30m=-3.0), {"cost": 5.0}, None, -8.0, id="an-exit-says-what-it-left"),
    ],
)
def test_net_for_sizing(side, alpha, more, horizon, net):
    got = judge(side, alpha, **more)
    assert got.chosen_net_bps == pytest.approx([net], nan_ok=True)
    assert got.horizon.tolist() == [ROW.get(horizon, -1)]


@pytest.mark.parametrize(
    ("config", "alpha", "expected"),
    [
        pytest.param({"exit_bps": 5.0}, alphas(_30m=-4.0), Reason.HOLD, id="wider-exit"),
        pytest.param({"exit_bps": 0.0}, alphas(_30m=-0.1), Reason.EXIT_REVERSED, id="no-patience"),
        pytest.param({"switch_ratio": 1.0}, alphas(_30m=6.0, _5m=4.0), Reason.EXTEND, id="lower-ratio"),
        pytest.param({"switch_margin_bps": 2.0}, alphas(_30m=6.0, _5m=5.0), Reason.HOLD, id="more-margin"),
        pytest.param({"switch_margin_bps": 4.0}, alphas(_5m=5.0), Reason.HOLD, id="margin-is-exclusive"),
        pytest.param({"switch_margin_bps": 3.99}, alphas(_5m=5.0), Reason.EXTEND, id="margin-is-passed"),
        pytest.param({"reserve_bps": 3.5}, alphas(_30m=1.0, _5m=4.0), Reason.HOLD, id="reserve-binds-switches"),
    ],
)
def test_settings_of_positions(config, alpha, expected):
    got = judge(+1, alpha, cost=1.0 if "exit_bps" not in config else 20.0, config=ArbitrationConfig(**config))
    assert Reason(got.reason[0]) is expected


def test_barrier_exit_limit_is_a_setting():
    config = ArbitrationConfig(barrier_exit_p=0.95)
    assert judge(+1, alphas(_30m=4.0), config=config, p_peak=0.9).reason.tolist() == [Reason.HOLD]


def test_best_of_several_horizons_wins_and_equals_go_to_the_shorter():
    alpha = alphas(_30m=0.1, _5m=5.0, _10m=1.0 + 4.0 * np.sqrt(2.0), _60m=9.0)
    got = judge(+1, alpha)
    best = int(np.argmax(np.where(got.qualifies[:, 0], got.score[:, 0], -np.inf)))
    assert got.horizon.tolist() == [best]
    tie = alphas(_30m=0.1, _5m=5.0, _1d=5.0)
    assert judge(+1, tie, cost=0.0).horizon.tolist() == [ROW["5m"]]


def test_flat_symbols_do_not_notice_positions():
    alpha = np.hstack([alphas(_5m=3.0), alphas(_30m=-9.0)])
    got = arbitrate(alpha, book=book_of(2, side=[0, 1], horizon=[-1, ROW["30m"]]))
    assert got.reason.tolist() == [Reason.ENTRY, Reason.REVERSE]


def test_a_day_stays_overnight_also_where_it_is_the_only_horizon():
    day = HorizonArbiter(ArbitrationConfig(), ALL[ROW["1d"] :])
    blend = BlendResult(("1d",), np.ones((1, 1)), np.array([[9.0]]), np.array([[50.0]]), np.zeros(1, np.int16))
    got = day.arbitrate(blend, np.ones(1), book_of(1, side=1, horizon=[0]), at(76), BestScoreSelector(), ("A",))
    assert got.reason.tolist() == [Reason.HOLD]
