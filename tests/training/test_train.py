"""Training finds what is there, finds nothing where nothing is, and leaves a run that the engine can start from."""

# covers: P9, P10, P30, P31

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr
from training_panels import market_of, random_panel

from LIVE_TRADING.common.exceptions import ConfigurationError, ModelLoadError
from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.data.bars_file import read_bars
from LIVE_TRADING.data.calendars import session_table
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.models.artifacts import memory_config
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.prediction.predictor import MultiHorizonPredictor
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.dataset import build_dataset, build_targets
from LIVE_TRADING.training.fitting import fit_run
from LIVE_TRADING.training.labels import label_bps
from LIVE_TRADING.training.progress import no_progress
from LIVE_TRADING.training.train import TrainingReport, train_run
from LIVE_TRADING.training.validation import validate
from LIVE_TRADING.training.walk_forward import plan_folds

SMALL_TREES = {"lightgbm": {"num_trees": 40, "num_leaves": 8, "learning_rate": 0.1}}
NO_BARRIERS = BarrierTrainingConfig(enabled=False)
RIDGE_ONLY = TrainingConfig(horizons=("30m", "1d"), families=("ridge",))
N_SYMBOLS = 12


SPANS = {
    "simulated": ("2025-01-02", "2025-02-12"),
    "24/7": ("2025-01-02", "2025-01-31"),
    "XNYS": ("2025-06-02", "2025-07-14"),  # 2025-07-03 is a half day
}


def slow_panel(calendar: str = "simulated", seed: int = 0) -> BarPanel:
    """Return about 30 sessions of half-hour bars (13 or 48 of them), some missing."""
    table = session_table(calendar, *SPANS[calendar])
    return random_panel(table, minutes=30, n_symbols=N_SYMBOLS, seed=seed, missing=0.005)


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    panel = simulate_market(SimulatedMarketConfig(seed=7, edge=0.08, n_sessions=40))
    config = TrainingConfig(horizons=("15m", "5m"), params=SMALL_TREES, barrier=NO_BARRIERS)
    return train_run(panel, config, tmp_path_factory.mktemp("runs") / "planted")


@pytest.fixture(scope="module")
def slow_run(tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    return train_run(slow_panel(), RIDGE_ONLY, tmp_path_factory.mktemp("runs") / "slow", until="2025-02-09")


def test_a_planted_edge_is_found_by_every_family(planted: TrainingReport):
    assert [(model.horizon, model.family) for model in planted.models] == [
        ("5m", "lightgbm"),
        ("5m", "ridge"),
        ("15m", "lightgbm"),
        ("15m", "ridge"),
    ]
    for model in planted.models:
        assert model.metrics.ic is not None
        assert model.metrics.ic > 0.04
        assert all(fold.ic is not None and fold.ic > 0.02 for fold in model.metrics.folds)
        assert model.metrics.rmse == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize("seed", [7, 21])
def test_without_an_edge_nothing_is_found(tmp_path: Path, seed: int):
    panel = simulate_market(SimulatedMarketConfig(seed=seed, edge=0.0, n_sessions=40))
    report = train_run(
        panel, TrainingConfig(horizons=("5m",), params=SMALL_TREES, barrier=NO_BARRIERS), tmp_path / "run"
    )
    for model in report.models:
        assert model.metrics.ic is not None
        standard_error = 1.0 / np.sqrt((len(panel.symbols) - 1) * model.metrics.n_effective)
        assert abs(model.metrics.ic) < 3.0 * standard_error


def test_the_run_is_read_by_the_engine_that_it_was_trained_for(planted: TrainingReport):
    names = market_of(slow_panel()).features.names
    loader = ModelLoader(
        planted.run_root, interval_ns=300 * 10**9, features=names, memory_config=memory_config(EngineConfig())
    )
    predictor = MultiHorizonPredictor(loader)
    assert predictor.horizons == ("5m", "15m")
    assert predictor.predict(np.zeros((len(names), 30))).raw.shape == (2, 2, 30)
    for h in range(2):
        for m in range(2):
            metrics = planted.models[2 * h + m].metrics
            assert predictor.validation.ic[h, m] == metrics.ic
            assert predictor.validation.n_effective[h, m] == metrics.n_effective
            assert predictor.validation.rmse[h, m] == metrics.rmse
    assert loader.artifacts.calendar == "simulated"
    meta = loader.meta("ret_5m", "ridge")
    assert meta.notes["missing_values"] == "imputed with the mean of the training rows"
    assert len(meta.metrics.folds) == 4


def test_the_run_keeps_rows_and_tables_to_verify_compiled_trees_with(planted: TrainingReport):
    loader = ModelLoader(planted.run_root)
    sample = loader.sample()
    assert sample is not None
    assert sample.shape == (256, len(loader.manifest.features))
    assert np.isnan(sample).any(axis=1).sum() == 64
    assert "forest.npz" in loader.meta("ret_5m", "lightgbm").files
    assert "forest.npz" not in loader.meta("ret_5m", "ridge").files


def test_other_feature_settings_are_refused(planted: TrainingReport):
    other = EngineConfig.model_validate({"features": {"volume_clip": 3.0}})
    with pytest.raises(ModelLoadError, match=r"volume_clip: the run has 4\.0, here it is 3\.0; use the settings"):
        _ = ModelLoader(planted.run_root, memory_config=memory_config(other)).manifest


def test_pooled_figures_are_those_of_the_folds(planted: TrainingReport):
    for model in planted.models:
        folds = model.metrics.folds
        weights = np.array([fold.n_effective for fold in folds])
        assert weights.sum() == pytest.approx(model.metrics.n_effective)
        assert np.average([fold.ic for fold in folds], weights=weights) == pytest.approx(model.metrics.ic)
        squares = [fold.n_forecasts * fold.rmse**2 for fold in folds]
        assert np.sqrt(sum(squares) / model.metrics.n_forecasts) == pytest.approx(model.metrics.rmse)
        assert [fold.train_rows for fold in folds] == sorted(fold.train_rows for fold in folds)
        assert folds[-1].train_rows < model.train_rows
        for fold in folds:
            assert fold.train_end < fold.validation_start <= fold.validation_end


@pytest.mark.parametrize("calendar", ["simulated", "24/7", "XNYS"])
def test_validation_scores_exactly_the_training_labels(calendar: str):
    """The skill tracker's outcome of a forecast is the label of its bar, over the night and at session ends too."""
    panel = slow_panel(calendar, seed=4)
    horizons = parse_horizons(("30m", "60m", "1d"), panel.interval_ns, 1440 if calendar == "24/7" else 390)
    market = market_of(panel, horizons)
    dataset = build_dataset(panel, market, horizons)
    targets = [build_targets(dataset, h) for h in range(3)]
    folds = plan_folds(panel, 4)
    fitted = fit_run(dataset, targets, folds, TrainingConfig(families=("ridge",)), no_progress)
    scores = _scores(dataset, fitted.raw, market.forecast, folds[0].first_row)
    validation = validate(dataset, folds, fitted.raw, market.forecast)
    for h in range(3):
        outcome = label_bps(panel, targets[h].spans) / dataset.sigma_bps[:, h]
        expected = [_spearman(scores[t, h, 0], outcome[t]) for t in range(len(panel))]
        counted = [ic for ic in expected if ic is not None]
        assert validation.tallies[:, 1, h, 0].sum() == len(counted) > 50
        assert validation.pooled.ic[h, 0] == pytest.approx(np.mean(counted), abs=1e-12)


def _scores(dataset, raw, model, first_row):
    """Return z (T, H, M, N) of the forecasts, by the prediction stage alone."""
    panel, memory = dataset.panel, model.initial()
    scores = np.full(raw.shape, np.nan)
    for t in range(first_row, len(panel)):
        if panel.slot[t] == 0:
            memory = model.open_session(memory)
        memory, predictions = model.forecast(
            memory, raw[t], int(panel.slot[t]), dataset.sigma_bps[t], np.zeros(N_SYMBOLS, int), dataset.adv_usd[t], 0.0
        )
        scores[t] = predictions.z
    return scores


def _spearman(z, outcome):
    both = np.isfinite(z) & np.isfinite(outcome)
    return float(spearmanr(z[both], outcome[both]).statistic) if both.sum() >= 10 else None


def test_training_twice_gives_identical_files(slow_run: TrainingReport, tmp_path: Path):
    config = RIDGE_ONLY.model_copy(update={"threads": 1})
    train_run(slow_panel(), config, tmp_path / "again", until="2025-02-09")
    first, second = tree(slow_run.run_root), tree(tmp_path / "again")
    assert first.keys() == second.keys()
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {"manifest.json"}  # it records the number of threads, and nothing else differs
    records = [json.loads(files["manifest.json"]) for files in (first, second)]
    assert [record["training_config"].pop("threads") for record in records] == [2, 1]
    assert records[0] == records[1]


def test_nothing_after_until_is_used(slow_run: TrainingReport, tmp_path: Path):
    panel = slow_panel()
    assert slow_run.until == "2025-02-07"  # a Friday: the 9th is a Sunday
    session = panel.sessions.of_date("2025-02-07")
    assert session is not None
    train_run(panel.between(0, session.close_ns), RIDGE_ONLY, tmp_path / "cut")
    assert tree(tmp_path / "cut") == tree(slow_run.run_root)
    manifest = ModelLoader(slow_run.run_root).manifest
    assert (manifest.until, manifest.until_ns) == ("2025-02-07", session.close_ns)


def test_the_snapshot_goes_on_where_training_ended(slow_run: TrainingReport):
    panel = slow_panel()
    horizons = parse_horizons(RIDGE_ONLY.horizons, panel.interval_ns, 390)
    whole, stored = market_of(panel, horizons), market_of(panel, horizons)
    memory = stored.from_parts(ModelLoader(slow_run.run_root).snapshot())
    last = panel.row_of(ModelLoader(slow_run.run_root).manifest.until_ns)
    assert last is not None
    expected = whole.initial()
    for row in range(len(panel)):
        expected, view = whole.advance(expected, panel.batch(row), panel.session(row))
        if row <= last:
            continue
        memory, got = stored.advance(memory, panel.batch(row), panel.session(row))
        for name in ("features", "sigma_bps", "sigma_day_bps", "adv_usd"):
            assert getattr(got, name).tobytes() == getattr(view, name).tobytes()


def test_the_snapshot_holds_windows_of_out_of_fold_forecasts_and_no_evidence(slow_run: TrainingReport):
    panel = slow_panel()
    market = market_of(panel, parse_horizons(RIDGE_ONLY.horizons, panel.interval_ns, 390))
    memory = market.from_parts(ModelLoader(slow_run.run_root).snapshot()).forecast
    memory = market.forecast.open_session(memory)
    figures = market.forecast.validation_figures(memory)
    assert not figures.n_effective.any()
    assert np.isfinite(market.forecast.forecast_covariance(memory)).all()
    raw = np.random.default_rng(0).standard_normal((2, 1, N_SYMBOLS))
    sigma = np.full((2, N_SYMBOLS), 10.0)
    _, predictions = market.forecast.forecast(
        memory, raw, 0, sigma, np.zeros(N_SYMBOLS, int), np.full(N_SYMBOLS, 1e8), 0.0
    )
    assert np.isfinite(predictions.z).all()


def test_a_universe_too_small_for_cross_sections_trains(tmp_path: Path):
    panel = slow_panel().select(["S00", "S01", "S02"])
    report = train_run(panel, RIDGE_ONLY, tmp_path / "run")
    assert ModelLoader(report.run_root).artifacts.validation.rmse.shape == (2, 1)


@pytest.mark.parametrize(
    ("changes", "until", "message"),
    [
        pytest.param(
            {"horizons": ("5m", "30m", "10m")}, None, "horizons 5m, 10m are no whole number of bars", id="grid"
        ),
        pytest.param({}, "2025-01-20", "4 folds need 25 sessions, .* hold 13", id="too-short"),
        pytest.param({}, "2024-12-31", "until 2024-12-31 is before the first session 2025-01-02", id="before-the-data"),
        pytest.param(
            {"families": ("lightgbm",)},
            "2025-02-05",
            r"horizon (30m|1d), family lightgbm: 0 rows are too few",
            id="no-rows",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_and_leaves_nothing(tmp_path: Path, changes, until, message):
    panel = slow_panel()
    if "families" in changes:
        panel = random_panel(panel.sessions, minutes=30, n_symbols=1, missing=1.0)
    config = RIDGE_ONLY.model_copy(update=changes)
    with pytest.raises(ConfigurationError, match=message):
        train_run(panel, config, tmp_path / "run", until=until)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_run_is_refused_before_any_work(slow_run: TrainingReport):
    def never(*_: object) -> None:
        raise AssertionError("training has begun")

    before = tree(slow_run.run_root)
    with pytest.raises(ConfigurationError, match="a run stands here already"):
        train_run(slow_panel(), RIDGE_ONLY, slow_run.run_root, progress=never)
    assert tree(slow_run.run_root) == before


def test_progress_covers_the_whole_way(tmp_path: Path):
    told: list[tuple[str, int, int]] = []
    train_run(slow_panel(), RIDGE_ONLY, tmp_path / "run", progress=lambda *step: told.append(step))
    assert list(dict.fromkeys(what for what, _, _ in told)) == ["features", "fit", "validation"]
    for what in ("features", "fit", "validation"):
        done = [(step, total) for name, step, total in told if name == what]
        assert done == sorted(done)
        assert done[-1][0] == done[-1][1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param({"families": ("ridge", "ridge")}, "ridge: given twice", id="twice"),
        pytest.param({"families": ("xgboost",)}, "'xgboost' is unknown; known are .*lightgbm, .*ridge", id="unknown"),
        pytest.param({"params": {"ridge": {"alpha": -1.0}}}, "greater than 0", id="range"),
        pytest.param({"params": {"ridge": {"alhpa": 1.0}}}, "alhpa", id="unknown-parameter"),
        pytest.param({"params": {"xgboost": {}}}, r"params\.xgboost", id="parameters-of-an-unknown"),
        pytest.param({"horizons": ("5m", "7m")}, "horizons.1\n.*'5m', '10m'", id="unknown-horizon"),
        pytest.param({"folds": 3}, "greater than or equal to 4", id="too-few-folds"),
    ],
)
def test_settings_that_fit_no_family_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**settings)


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "start", "end", "calendar"),
    [
        pytest.param("us_equity_5m_2025.parquet", "2025-06-02", "2025-07-11", "XNYS", id="equities-with-a-half-day"),
        pytest.param("crypto_5m_2024.parquet", "2024-01-01", "2024-01-26", "24/7", id="crypto"),
    ],
)
def test_recorded_bars_train_and_show_no_miracle(shared_data, tmp_path: Path, name, start, end, calendar):
    whole = read_bars(shared_data(name), start=start, end=end)
    panel = whole.select(whole.symbols[:12])
    config = TrainingConfig(horizons=("5m", "60m", "1d"), families=("ridge",), barrier=NO_BARRIERS)
    report = train_run(panel, config, tmp_path / "run")
    assert ModelLoader(report.run_root).artifacts.calendar == calendar
    for model in report.models:
        assert model.metrics.ic is not None
        assert model.metrics.rmse == pytest.approx(1.0, abs=0.35)
        if model.horizon != "1d":
            assert abs(model.metrics.ic) < 5.0 / np.sqrt(11 * model.metrics.n_effective)
