"""A run with a model over sequences: the same in all shells, over a restart, through halts, late bars and overlaps."""

# covers: P8, P9, P17, P22, P27, P31

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.brokers.exchange import ExchangeConfig
from LIVE_TRADING.data.historical import LateBar
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.journal import FOLDER, read_journal
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.recovery import feed_journal
from LIVE_TRADING.engine.resume import recorded_run, start_core
from LIVE_TRADING.models.features import FeatureBuilder, compute_all
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.models.snapshot import decode_arrays
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.train import train_run
from tests.support.onnx_graphs import planted_rule
from tests.support.runs import LOW_COST, run_backtest, run_shell

LOOKBACK = 12
UNTIL = 28
MARKET = SimulatedMarketConfig(
    seed=11, edge=0.2, n_symbols=12, n_sessions=32, bars_per_session=26, halt_probability=0.15
)
CONFIG = EngineConfig.model_validate(LOW_COST)
HALF_SECOND = 500_000_000


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(MARKET)


@pytest.fixture(scope="module")
def run_root(panel: BarPanel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sequence")
    names = FeatureBuilder(CONFIG.features, len(panel.symbols), panel.bars_per_session).names
    (root / "rule.onnx").write_bytes(planted_rule(MARKET, LOOKBACK, names))
    files = {"ret_15m": str(root / "rule.onnx"), "ret_1d": str(root / "rule.onnx")}
    imported = {"files": files, "lookback": LOOKBACK, "trained_until": "2024-12-31"}
    config = TrainingConfig(
        horizons=("15m", "1d"),
        families=("onnx", "ridge"),
        params={"onnx": imported},
        barrier=BarrierTrainingConfig(enabled=False),
    )
    until = panel.sessions.sessions[UNTIL - 1].date
    return train_run(panel, config, root / "run", until, engine=CONFIG).run_root


@pytest.fixture(scope="module")
def start_ns(panel: BarPanel) -> int:
    return panel.sessions.sessions[UNTIL].open_ns


def replayed(state_dir: Path) -> dict[str, str]:
    run = recorded_run(state_dir)
    assert run is not None
    core = start_core(state_dir, run)
    result = feed_journal(core, read_journal(state_dir / FOLDER))
    assert result.difference is None
    return core.state.digest.texts()


def forecasts_on_file(state_dir: Path) -> dict[int, np.ndarray]:
    """Raw forecasts (H, M, N) of the journal by cycle."""
    return {
        record.data[1]["cycle_time_ns"]: np.array(record.data[1]["raw"], dtype=np.float64)
        for record in read_journal(state_dir / FOLDER)
        if record.kind == "event" and record.data[0] == "PredictionsReady"
    }


def test_three_shells_agree(panel: BarPanel, run_root: Path, start_ns: int, tmp_path: Path) -> None:
    backtest = run_backtest(panel, CONFIG, start_ns=start_ns, run_root=run_root)
    shell = run_shell(panel, CONFIG, start_ns=start_ns, run_root=run_root, state_dir=tmp_path)
    assert backtest.core.state.digest.fill_count > 50
    assert backtest.digests == shell.digests == replayed(tmp_path)


def test_the_forecasts_are_the_rule_on_the_last_bars_of_each_symbol(
    panel: BarPanel, run_root: Path, start_ns: int, tmp_path: Path
) -> None:
    run_shell(panel, CONFIG, start_ns=start_ns, run_root=run_root, state_dir=tmp_path)
    builder = FeatureBuilder(CONFIG.features, len(panel.symbols), panel.bars_per_session)
    features = compute_all(builder, panel)
    model = ModelLoader(run_root).load("ret_15m", "onnx")
    compared = halted = 0
    for cycle_ns, raw in list(forecasts_on_file(tmp_path).items())[::3]:
        row = int(np.searchsorted(panel.bar_end_ns, cycle_ns))
        for n in range(len(panel.symbols)):
            if np.isnan(features[row, :, n]).all():
                assert np.isnan(raw[:, :, n]).all()
                continue
            had = [values for values in features[: row + 1, :, n] if not np.isnan(values).all()]
            alone = model.predict_windows(np.array(had[-LOOKBACK:], dtype=np.float32)[None])
            assert raw[0, 0, n] == alone[0]
            compared += 1
            halted += bool(np.isnan(features[row - LOOKBACK + 1 : row + 1, :, n]).all(axis=1).any())
    assert compared > 350
    assert halted > 10  # windows that reach back over a halt


def test_three_shells_agree_with_latency_a_late_bar_and_a_skipped_cycle(
    panel: BarPanel, run_root: Path, start_ns: int, tmp_path: Path
) -> None:
    interval_ns = panel.interval_ns
    skipping = start_ns + 9 * interval_ns
    options = {
        "start_ns": start_ns,
        "run_root": run_root,
        "late": [LateBar(panel.symbols[3], start_ns + 5 * interval_ns, 3_000_000_000)],
        "latency": InferenceLatency(HALF_SECOND, 3600 * 10**9, {skipping: 3 * interval_ns + HALF_SECOND}),
        "exchange": ExchangeConfig(ack_latency_ms=40, fill_latency_ms=70),
    }
    backtest = run_backtest(panel, CONFIG, **options)
    shell = run_shell(panel, CONFIG, state_dir=tmp_path, **options)
    assert backtest.digests == shell.digests == replayed(tmp_path)
    skipped = [
        entry[1]["reason"]
        for record in read_journal(tmp_path / FOLDER)
        if record.kind == "commands"
        for entry in record.data
        if entry[0] == "CycleSkipped"
    ]
    assert skipped == ["skipped_overlap"] * 3


def test_a_stopped_run_goes_on_where_it_stopped(panel: BarPanel, run_root: Path, start_ns: int, tmp_path: Path) -> None:
    whole = run_backtest(panel, CONFIG, start_ns=start_ns, run_root=run_root)
    options = {"start_ns": start_ns, "run_root": run_root, "state_dir": tmp_path}
    part = run_shell(panel, CONFIG, max_cycles=40, **options)
    assert part.core.state.digest.cycles == 40
    stored = decode_arrays(max(tmp_path.glob("arrays-*.npz")).read_bytes())
    assert stored["windows"]["rows"].shape == (12, LOOKBACK + 1, len(part.core.run.feature_names))
    rest = run_shell(panel, CONFIG, **options)
    assert rest.digests == whole.digests == replayed(tmp_path)


def test_without_such_a_model_no_windows_are_kept(panel: BarPanel, start_ns: int) -> None:
    outcome = run_backtest(panel, CONFIG, start_ns=start_ns)
    market = outcome.core.state.market
    assert market.windows is None
    assert "windows" not in outcome.core.market_model.to_parts(market)
