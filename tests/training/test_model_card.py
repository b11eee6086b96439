"""The model card says what the run's files say."""

# covers: R8, P30, P31

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from backtest.test_report import Outline, outline, words

from LIVE_TRADING.common.exceptions import ModelLoadError, StateError
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market
from LIVE_TRADING.models.families.interface import ExplainedModel, get_family
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.training.config import TrainingConfig
from LIVE_TRADING.training.model_card import model_card, run_facts, write_model_card
from LIVE_TRADING.training.train import train_run

TREES = {"num_trees": 8, "num_leaves": 6, "min_data_in_leaf": 200}
CONFIG = TrainingConfig.model_validate(
    {
        "horizons": ("5m", "60m"),
        "families": ("lightgbm", "ridge", "mlp"),
        "params": {"lightgbm": TREES, "mlp": {"hidden_layer_sizes": [4], "epochs": 1}},
        "barrier": {"params": TREES},
    }
)


@pytest.fixture(scope="module")
def run_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs") / "cards"
    train_run(simulate_market(SimulatedMarketConfig(n_symbols=12, n_sessions=26)), CONFIG, root)
    return root


@pytest.fixture(scope="module")
def page(run_root: Path) -> Outline:
    return outline(model_card(run_root))


def metas(run_root: Path, pattern: str) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted(run_root.glob(f"targets/{pattern}/**/model_meta.json"))]


def minus(text: str) -> str:
    return text.replace("-", "−")


def test_evidence_is_that_of_the_files(run_root: Path, page: Outline) -> None:
    texts = [text.strip() for text in page.text if text.strip()]
    found = metas(run_root, "ret_*")
    assert len(found) == 6
    for meta in found:
        metrics = meta["metrics"]
        row = next(at for at, text in enumerate(texts) if text == meta["horizon"] and texts[at + 1] == meta["family"])
        error = 1 / np.sqrt(metrics["n_effective"] * 11)
        assert texts[row + 2 : row + 6] == [
            minus(f"{metrics['ic']:+.4f}"),
            f"{error:.4f}",
            f"{metrics['n_effective']:,.0f}",
            f"{metrics['rmse']:.4f}",
        ]
        for fold in metrics["folds"]:
            assert minus(f"{fold['ic']:+.4f}") in texts
            assert fold["validation_start"] in texts


def test_the_verdict_names_the_model_whose_ic_is_most_standard_errors_above_0(run_root: Path, page: Outline) -> None:
    found = [meta for meta in metas(run_root, "ret_*") if meta["metrics"]["ic"] is not None]
    best = max(found, key=lambda meta: meta["metrics"]["ic"] * np.sqrt(meta["metrics"]["n_effective"]))
    ic, error = best["metrics"]["ic"], 1 / np.sqrt(best["metrics"]["n_effective"] * 11)
    of, size = f"{best['family']} at {best['horizon']}", minus(f"{ic:+.4f} ± {error:.4f}, {ic / error:.1f}")
    said = f"The largest IC, counted in its standard errors, is that of {of}: {size} standard errors from 0."
    assert said in words(page)


def test_the_title_names_the_run_and_the_end_of_its_training(run_root: Path) -> None:
    until = json.loads((run_root / "manifest.json").read_text())["until"]
    html = model_card(run_root)
    assert f"<title>Model card of run cards, trained to {until}</title>" in html
    assert "<h1>Run cards</h1>" in html


def test_it_says_of_other_symbols_what_is_done_with_them(page: Outline) -> None:
    assert "symbols that they do not know are left out" in words(page)


def test_the_standard_error_of_an_ic_is_the_spread_of_rank_correlations_of_noise() -> None:
    """Spearman over N independent symbols has the variance 1/(N − 1); the card takes the mean over n of them."""
    from scipy.stats import spearmanr

    rng = np.random.default_rng(11)
    means = [
        np.mean([spearmanr(rng.normal(size=12), rng.normal(size=12)).statistic for _ in range(20)]) for _ in range(150)
    ]
    assert np.std(means) == pytest.approx(1 / np.sqrt(20 * 11), rel=0.15)


def test_what_features_weigh_comes_from_the_models(run_root: Path, page: Outline) -> None:
    import lightgbm as lgb

    loader = ModelLoader(run_root)
    facts = {(m.meta.horizon, m.meta.family): m for m in run_facts(run_root).models}
    for horizon in ("5m", "60m"):
        folder = run_root / f"targets/ret_{horizon}/models/view=cross_sectional"
        gain = lgb.Booster(model_file=str(folder / "family=lightgbm/model.txt")).feature_importance("gain")
        np.testing.assert_allclose(facts[horizon, "lightgbm"].weights, gain / gain.sum())
        weight = json.loads((folder / "family=ridge/model.json").read_text())["weight"]
        np.testing.assert_array_equal(facts[horizon, "ridge"].weights, weight)
        assert facts[horizon, "mlp"].weights is None
        assert not isinstance(loader.load(f"ret_{horizon}", "mlp"), ExplainedModel)
    text = words(page)
    assert "lightgbm: share of the splits' gain, mean size over the horizons" in text
    assert "mlp: every feature" not in text
    size = np.mean([np.abs(facts[horizon, "ridge"].weights) for horizon in ("5m", "60m")], axis=0)
    top = loader.manifest.features[int(np.argmax(size))]
    assert f"{top} {size.max():.4f}" in text


SMALL = {
    "lightgbm": {"num_trees": 10, "min_data_in_leaf": 50},
    "quantile_lightgbm": {"num_trees": 10, "min_data_in_leaf": 50},
    "extra_trees": {"n_estimators": 10, "min_samples_leaf": 50},
}


@pytest.mark.parametrize("family", ["lightgbm", "quantile_lightgbm", "extra_trees", "ridge"])
def test_a_feature_that_moves_the_target_weighs_most(family: str) -> None:
    rng = np.random.default_rng(4)
    features = rng.normal(size=(3_000, 4))
    target = np.clip(0.9 * features[:, 2] + rng.normal(size=3_000), -4, 4)
    known = get_family(family)
    params = known.params.model_validate(SMALL.get(family, {}))
    model = known.train(features, target, seed=3, params=params)
    assert isinstance(model, ExplainedModel)
    what, weights = model.importance()
    assert what
    assert weights.shape == (4,)
    assert int(np.argmax(np.abs(weights))) == 2
    if family != "ridge":
        assert weights.sum() == pytest.approx(1.0)
    again = known.load(model.files())
    assert isinstance(again, ExplainedModel)
    np.testing.assert_array_equal(again.importance()[1], weights)


def test_classifiers_are_told_with_their_reliability(run_root: Path, page: Outline) -> None:
    found = metas(run_root, "will_*")
    assert len(found) == 2
    text = words(page)
    for meta in found:
        metrics = meta["metrics"]
        assert f"{meta['target']} Outcomes {metrics['n']:,} in {metrics['n_sessions']} sessions" in text
        assert f"Brier score {metrics['brier']:.5f}" in text
        for cell in metrics["reliability"]:
            assert f"{cell['p_mean'] * 100:.2f} % {cell['observed'] * 100:.2f} % {cell['n']:,}" in text
    html = model_card(run_root)
    dots = re.findall(r'class="dots" d="([^"]*)"', html)
    assert [path.count("M") for path in dots] == [len(meta["metrics"]["reliability"]) for meta in found]


def test_it_says_what_the_models_are_for_and_how_they_were_made(run_root: Path, page: Outline) -> None:
    text = words(page)
    manifest = json.loads((run_root / "manifest.json").read_text())
    assert page.headings == [
        "What these models are for",
        "Evidence out of sample",
        "What the features weigh",
        "Barrier classifiers",
        "How they were trained",
        "This run",
    ]
    for said in (
        manifest["data_hash"],
        f"{manifest['data_start']} to {manifest['until']}",
        "walk-forward in 4 folds",
        "missing values imputed with the mean of the training rows",
        "num_leaves 6",
        ", ".join(manifest["features"]),
        ", ".join(manifest["symbols"]),
    ):
        assert said in text, said
    assert re.findall(r"\b(nan|NaN|None|inf)\b", text) == []
    assert page.references == ["data:,"]


def test_a_run_without_classifiers_says_that_the_gate_is_off(tmp_path: Path) -> None:
    config = TrainingConfig.model_validate({"horizons": ("5m",), "families": ("ridge",), "barrier": {"enabled": False}})
    train_run(simulate_market(SimulatedMarketConfig(n_symbols=10, n_sessions=26)), config, tmp_path / "run")
    assert "the barrier gate is off in runs of these models" in words(outline(model_card(tmp_path / "run")))


def test_equal_runs_have_equal_cards_and_the_run_can_still_be_read(run_root: Path, tmp_path: Path) -> None:
    first = write_model_card(run_root).read_bytes()
    assert write_model_card(run_root, tmp_path / "deep" / "card.html").read_bytes() == first
    assert ModelLoader(run_root).load("ret_5m", "ridge").n_features > 0


def test_what_cannot_be_read_or_written_is_refused(run_root: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="no such file"):
        model_card(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="cannot be written"):
        write_model_card(run_root, tmp_path / "file" / "card.html")
