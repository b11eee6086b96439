"""The cooldown per symbol, seen from the journal of a run that was stopped and started again."""

from __future__ import annotations

# covers: P22
from decimal import Decimal
from pathlib import Path

from LIVE_TRADING.common.types import Leg
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from tests.support.runs import LOW_COST, run_shell

COOLDOWN_S = 1800


def test_no_new_risk_in_a_symbol_within_its_cooldown_before_and_after_a_restart(tmp_path: Path) -> None:
    risk = {**LOW_COST["risk"], "cooldown_s": COOLDOWN_S}
    config = EngineConfig.model_validate({**LOW_COST, "risk": risk})
    panel = simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=13))
    start_ns = panel.sessions.sessions[11].open_ns
    run_shell(panel, config, start_ns=start_ns, state_dir=tmp_path, max_cycles=25)
    stopped_seq = max(record.seq for record in read_journal(tmp_path / FOLDER))
    run_shell(panel, config, start_ns=start_ns, state_dir=tmp_path, max_cycles=15)

    last_sent: dict[str, tuple[int, int]] = {}
    held_back_across = too_soon = 0
    for record in read_journal(tmp_path / FOLDER):
        if record.kind != "commands":
            continue
        for name, fields in record.data:
            if name == "CycleDecided":
                for no in fields.get("rejections", []):
                    if no["rule_id"] == "cooldown":
                        seq, t_ns = last_sent[no["symbol"]]
                        assert record.t_ns - t_ns < COOLDOWN_S * 10**9
                        held_back_across += seq <= stopped_seq < record.seq
            elif name == "SubmitOrder":
                order = fields["order"]
                before = last_sent.get(order["symbol"])
                if order["leg"] == Leg.ENTRY and before is not None:
                    too_soon += record.t_ns - before[1] < COOLDOWN_S * 10**9
                assert Decimal(order["quantity"]) > 0
                last_sent[order["symbol"]] = (record.seq, record.t_ns)
    assert too_soon == 0
    assert held_back_across > 0
