"""Models that were trained elsewhere: taken in as files, judged only by what they have not seen."""

# covers: P9, P10, P30, P31

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from LIVE_TRADING.common.exceptions import ConfigurationError, ModelLoadError
from LIVE_TRADING.common.horizons import parse_horizons
from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.models.artifacts import META_FILE, ModelMeta, model_folder, sha256
from LIVE_TRADING.models.features import FeatureBuilder, compute_all
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.training.config import BarrierTrainingConfig, TrainingConfig
from LIVE_TRADING.training.imported import unseen_rows
from LIVE_TRADING.training.train import TrainingReport, train_run
from tests.support.onnx_graphs import gru, planted_rule

LOOKBACK = 20
NO_BARRIERS = BarrierTrainingConfig(enabled=False)
MARKET = SimulatedMarketConfig(seed=7, edge=0.12, n_symbols=12, n_sessions=32, bars_per_session=26)


@pytest.fixture(scope="module")
def panel() -> BarPanel:
    return simulate_market(MARKET)


@pytest.fixture(scope="module")
def names(panel: BarPanel) -> tuple[str, ...]:
    return FeatureBuilder(EngineConfig().features, len(panel.symbols), panel.bars_per_session).names


@pytest.fixture(scope="module")
def rule(tmp_path_factory: pytest.TempPathFactory, names: tuple[str, ...]) -> Path:
    path = tmp_path_factory.mktemp("models") / "rule.onnx"
    path.write_bytes(planted_rule(MARKET, LOOKBACK, names))
    return path


def config_of(path: Path, until: str | None, **changes: object) -> TrainingConfig:
    files = {"ret_15m": str(path), "ret_1d": str(path)}
    params = {"files": files, "lookback": LOOKBACK, "trained_until": until, **changes}
    return TrainingConfig(
        horizons=("15m", "1d"), families=("ridge", "onnx"), params={"onnx": params}, barrier=NO_BARRIERS
    )


def dates(panel: BarPanel) -> list[str]:
    return [session.date for session in panel.sessions.sessions]


@pytest.fixture(scope="module")
def early(panel: BarPanel, rule: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    return train_run(panel, config_of(rule, "2024-12-31"), tmp_path_factory.mktemp("early") / "run")


@pytest.fixture(scope="module")
def halfway(panel: BarPanel, rule: Path, tmp_path_factory: pytest.TempPathFactory) -> TrainingReport:
    return train_run(panel, config_of(rule, dates(panel)[21]), tmp_path_factory.mktemp("half") / "run")


def of(report: TrainingReport, horizon: str, family: str = "onnx"):
    (model,) = (model for model in report.models if (model.horizon, model.family) == (horizon, family))
    return model


def test_only_sessions_after_trained_until_count(
    panel: BarPanel, early: TrainingReport, halfway: TrainingReport
) -> None:
    """32 sessions of 26 bars: ten to warm up, five to train on first, 17 in four folds; scores need 100 bars, so
    four sessions; a label of 15 minutes ends with the next bar.
    """
    assert of(early, "15m").metrics.n_effective == (17 - 4) * 25
    assert of(halfway, "15m").metrics.n_effective == (10 - 4) * 25  # sessions 22 to 31
    # one session of embargo, and one after which no label has ended
    assert of(early, "1d").metrics.n_effective == pytest.approx(17 - 4 - 1, abs=0.2)
    assert of(halfway, "1d").metrics.n_effective == pytest.approx(10 - 1 - 4 - 1, abs=0.2)
    for horizon in ("15m", "1d"):  # what is fitted here is judged as without
        assert of(halfway, horizon, "ridge") == of(early, horizon, "ridge")


def test_a_fold_that_was_seen_says_nothing_and_one_that_was_not_says_the_same(
    early: TrainingReport, halfway: TrainingReport
) -> None:
    whole, part = of(early, "15m").metrics.folds, of(halfway, "15m").metrics.folds
    assert [fold.ic is None for fold in whole] == [False, False, False, False]
    assert (part[0].ic, part[0].n_effective, part[0].n_forecasts) == (None, 0.0, 0)
    assert part[0].validation_end < dates_of_fold_start(part[3])
    # before the last fold begins there are ten sessions of windows in one run and fewer in the other
    assert part[3].n_effective == whole[3].n_effective
    assert part[3].ic == pytest.approx(whole[3].ic, abs=0.02)


def dates_of_fold_start(fold) -> str:
    return fold.validation_start


def test_what_was_seen_is_not_in_the_windows_of_scores_either(early: TrainingReport, halfway: TrainingReport) -> None:
    counts = {
        name: ModelLoader(report.run_root).snapshot()["forecast"]["standardizer.session_counts"]
        for name, report in (("early", early), ("halfway", halfway))
    }
    sessions, families = counts["early"].shape[0], ("ridge", "onnx")
    assert counts["early"].shape == (sessions, 2, 2, 12)
    ridge, imported = (families.index(name) for name in families)
    seen = (counts["halfway"][:, 0, imported] == 0).all(axis=1)
    assert 0 < seen.sum() < sessions
    np.testing.assert_array_equal(counts["halfway"][~seen, 0, imported], counts["early"][~seen, 0, imported])
    np.testing.assert_array_equal(counts["halfway"][:, :, ridge], counts["early"][:, :, ridge])


def test_a_model_that_has_seen_everything_has_no_evidence(panel: BarPanel, rule: Path, tmp_path: Path) -> None:
    report = train_run(panel, config_of(rule, dates(panel)[-1]), tmp_path / "run")
    for horizon in ("15m", "1d"):
        metrics = of(report, horizon).metrics
        assert (metrics.ic, metrics.n_effective, metrics.rmse, metrics.n_forecasts) == (None, 0.0, None, 0)
    figures = ModelLoader(report.run_root).artifacts.validation
    assert figures.ic[:, 1].tolist() == [0.0, 0.0]
    assert figures.n_effective[:, 1].tolist() == [0.0, 0.0]


def test_rows_that_were_seen(panel: BarPanel) -> None:
    intraday, daily = parse_horizons(("15m", "1d"), panel.interval_ns, 390)
    days = np.array(dates(panel))[panel.session_index]
    np.testing.assert_array_equal(unseen_rows(panel, intraday, "2025-01-19"), days > "2025-01-19")  # a Sunday
    np.testing.assert_array_equal(unseen_rows(panel, daily, "2025-01-19"), days > "2025-01-20")
    assert unseen_rows(panel, daily, "2024-12-31").sum() == (days > "2025-01-02").sum()
    assert not unseen_rows(panel, intraday, dates(panel)[-1]).any()


def test_the_snapshot_holds_the_last_rows_of_features(
    panel: BarPanel, names: tuple[str, ...], early: TrainingReport
) -> None:
    stored = ModelLoader(early.run_root).snapshot()["windows"]
    rows, newest = stored["rows"], stored["newest"]
    assert rows.shape == (12, LOOKBACK + 1, len(names))
    builder = FeatureBuilder(EngineConfig().features, len(panel.symbols), panel.bars_per_session)
    features = compute_all(builder, panel)
    for n in range(12):
        had = features[~np.isnan(features[:, :, n]).all(axis=1), :, n][-LOOKBACK:]
        order = (newest[n] - np.arange(LOOKBACK)[::-1]) % (LOOKBACK + 1)
        np.testing.assert_array_equal(rows[n, order], had.astype(np.float32))


def test_the_run_keeps_the_file_as_it_came_and_says_what_it_is(rule: Path, halfway: TrainingReport) -> None:
    loader = ModelLoader(halfway.run_root)
    meta = loader.meta("ret_15m", "onnx")
    folder = halfway.run_root / model_folder("ret_15m", "onnx")
    assert (folder / "model.onnx").read_bytes() == rule.read_bytes()
    assert meta.files["model.onnx"] == sha256(rule.read_bytes())
    assert (meta.train_rows, meta.train_start, meta.train_end) == (0, "", of(halfway, "15m").metrics.folds[0].train_end)
    assert "no forecast" in meta.notes["missing_values"]
    assert meta.params["lookback"] == LOOKBACK


def test_equal_files_and_settings_give_equal_runs(
    panel: BarPanel, rule: Path, halfway: TrainingReport, tmp_path: Path
) -> None:
    again = train_run(panel, config_of(rule, dates(panel)[21]), tmp_path / "run")
    assert (again.run_root / "manifest.json").read_bytes() == (halfway.run_root / "manifest.json").read_bytes()


def test_a_file_that_was_altered_in_the_run_is_refused(halfway: TrainingReport, tmp_path: Path) -> None:
    import shutil

    root = tmp_path / "run"
    shutil.copytree(halfway.run_root, root)
    path = root / model_folder("ret_15m", "onnx") / "model.onnx"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    with pytest.raises(ModelLoadError, match=r"model\.onnx: SHA-256 expected .* altered"):
        ModelLoader(root).load("ret_15m", "onnx")


def test_every_problem_is_named_with_its_key_before_anything_is_fitted(
    panel: BarPanel, rule: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"this is no ONNX file")
    files = {"ret_15m": str(broken), "ret_2h": str(rule)}
    config = config_of(rule, "2026-01-01", files=files)
    with pytest.raises(ConfigurationError) as refused:
        train_run(panel, config, tmp_path / "run")
    said = str(refused.value).splitlines()
    assert [line.partition(": ")[0] for line in said] == [
        "training.params.onnx.trained_until",
        "training.params.onnx.files.ret_1d",
        "training.params.onnx.files.ret_2h",
        "training.params.onnx.files.ret_15m",
    ]
    assert "2026-01-01 is after 2025-02-14" in said[0]
    assert "is not given" in said[1]
    assert "is not trained; known are ret_15m, ret_1d" in said[2]
    assert str(broken) in said[3]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"trained_until": None}, "trained_until: is not given", id="no-date"),
        pytest.param({"lookback": 7}, r"input expected \(N, 7, \d+\).*found \(N, 20, \d+\)", id="another-window"),
        pytest.param({"files": {"ret_15m": "/nowhere/a.onnx", "ret_1d": "/nowhere/a.onnx"}}, "No such file", id="none"),
    ],
)
def test_settings_that_do_not_fit_are_refused(
    panel: BarPanel, rule: Path, tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        train_run(panel, config_of(rule, "2024-12-31", **changes), tmp_path / "run")


@pytest.mark.parametrize("until", ["2025-1-2", "yesterday", "2025-02-30"])
def test_a_date_is_a_date(rule: Path, until: str) -> None:
    with pytest.raises(ValueError, match="trained_until"):
        config_of(rule, until)


def test_a_file_over_other_features_is_refused(panel: BarPanel, tmp_path: Path) -> None:
    path = tmp_path / "other.onnx"
    path.write_bytes(gru(LOOKBACK, 5).data)
    with pytest.raises(ConfigurationError, match=r"ret_15m: .*other\.onnx: input expected .* found \(N, 20, 5\)"):
        train_run(panel, config_of(path, "2024-12-31"), tmp_path / "run")


def test_the_description_of_a_model_is_read_back(halfway: TrainingReport) -> None:
    path = halfway.run_root / model_folder("ret_1d", "onnx") / META_FILE
    assert ModelMeta.model_validate_json(path.read_bytes()).params["missing"] == "no_forecast"
