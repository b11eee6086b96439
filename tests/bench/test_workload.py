"""The reference workload through the whole engine trades what a plain loop over arrays trades."""

from __future__ import annotations

# covers: P27
import numpy as np
import pytest

from tests.bench.row_workload import BAND, CAP, CASH, COMMISSION_BPS, SCALES, SLIPPAGE_BPS, run, workload

N_SYMBOLS, N_BARS = 12, 700


def plain_loop(scale: float) -> tuple[int, float]:
    """Orders and last equity of the workload by arrays alone: floats for shares, every order filled at the close."""
    close = workload(N_SYMBOLS, N_BARS).close[:N_BARS]
    shares, cash, orders = np.zeros(N_SYMBOLS), float(CASH), 0
    returns = close[1:] / close[:-1] - 1.0
    for bar in range(60, N_BARS):
        price, window = close[bar], returns[bar - 60 : bar]
        equity = cash + shares @ price
        target = np.clip(window[-20:].mean(axis=0) / window.std(axis=0) * scale, -1.0, 1.0) * CAP
        change = target - shares * price / equity
        traded = np.where(np.abs(change) > BAND, change * equity / price, 0.0)
        cash -= traded @ price + np.abs(traded) @ price * (COMMISSION_BPS + SLIPPAGE_BPS) * 1e-4
        shares, orders = shares + traded, orders + int(np.count_nonzero(traded))
    return orders, cash + shares @ close[-1]


@pytest.mark.parametrize("mode", SCALES)
def test_the_engine_trades_what_a_loop_over_arrays_trades(mode: str) -> None:
    ours, (orders, equity) = run(N_SYMBOLS, N_BARS, mode), plain_loop(SCALES[mode])
    assert ours.orders == orders > 50
    assert ours.equity == pytest.approx(equity, rel=2e-4)  # lots, ticks, and the fill comes with the next bar


def test_the_engine_gives_the_same_twice() -> None:
    assert run(5, 200, "hi").digests == run(5, 200, "hi").digests
