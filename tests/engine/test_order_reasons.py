"""An order carries the reason of the stage that wanted it."""

from __future__ import annotations

# covers: P24
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import Leg
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.commands import SubmitOrder
from LIVE_TRADING.engine.config import EngineConfig
from tests.support.runs import LOW_COST, run_backtest

OF_SIZING = {Reason.SIZED, Reason.CAPPED, Reason.DRIFT_CUT}


def test_a_resize_is_explained_by_sizing_and_no_exit_by_a_position_that_stays() -> None:
    panel = simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=13))
    sent: list[SubmitOrder] = []

    def listen(_: object, commands: list[object]) -> None:
        sent.extend(command for command in commands if isinstance(command, SubmitOrder))

    config = EngineConfig.model_validate({**LOW_COST, "sizing": {**LOW_COST["sizing"], "band_weight": 0.001}})
    run_backtest(panel, config, start_ns=panel.sessions.sessions[11].open_ns, observers=(listen,))
    reasons = {leg: {Reason(command.reason) for command in sent if command.order.leg is leg} for leg in Leg}
    assert reasons[Leg.ENTRY] == {Reason.ENTRY}
    assert reasons[Leg.RESIZE]
    assert reasons[Leg.RESIZE] <= OF_SIZING
    assert not reasons[Leg.EXIT] & {Reason.HOLD, Reason.EXTEND}
