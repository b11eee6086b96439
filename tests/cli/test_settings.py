"""The configuration as files, profile, environment and flags make it; `python -m bin.config`."""

from __future__ import annotations

# covers: P2, A14
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_bench import Bench, run_verb

from LIVE_TRADING.cli.config_folder import CONFIG_DIR
from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.cli.settings import DEFAULT_CONFIG, get_cfg, load_settings
from LIVE_TRADING.common.config import config_dict, flat
from LIVE_TRADING.common.exceptions import ConfigurationError

REPO = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration folder to change."""
    folder = Path(shutil.copytree(bench.config, tmp_path / "CONFIG"))
    monkeypatch.setenv("LIVE_TRADING_CONFIG", str(folder))
    return folder


def test_what_comes_later_wins(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config / "live_trading.yaml").write_text("live_trading: {sizing: {max_weight: 0.01, z_max: 2.0}}\n")
    (config / "profiles" / "mine.yaml").write_text("live_trading: {sizing: {max_weight: 0.02}}\n")
    assert load_settings().config.sizing.max_weight == 0.01
    assert load_settings("mine").config.sizing.max_weight == 0.02
    monkeypatch.setenv("LIVE_TRADING__SIZING__MAX_WEIGHT", "0.03")
    assert load_settings("mine").config.sizing.max_weight == 0.03
    assert load_settings("mine", ["sizing.max_weight=0.04"]).config.sizing.max_weight == 0.04
    assert load_settings("mine").config.sizing.z_max == 2.0


def test_without_files_the_defaults_of_the_classes_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIVE_TRADING_CONFIG", str(tmp_path))
    assert load_settings().config == DEFAULT_CONFIG


def test_the_folder_of_the_checkout_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVE_TRADING_CONFIG")
    load_settings()
    for path in sorted((CONFIG_DIR / "profiles").glob("*.yaml")):
        load_settings(path.stem)


def test_get_cfg_reads_the_one_tree(config: Path) -> None:
    (config / "live_trading.yaml").write_text("live_trading: {blending: {ridge_lambda: 0.7}}\n")
    assert get_cfg("live_trading.blending.ridge_lambda") == 0.7
    assert get_cfg("blending.ridge_lambda") == 0.7
    assert get_cfg("live_trading.sizing.max_weight") == DEFAULT_CONFIG.sizing.max_weight


def test_get_cfg_gives_the_default_for_what_there_is_not() -> None:
    assert get_cfg("live_trading.blending.ridge_lambada", default=3) == 3
    assert get_cfg("live_trading.nothing", None) is None


def test_get_cfg_names_the_nearest_key() -> None:
    with pytest.raises(ConfigurationError, match="ridge_lambda"):
        get_cfg("live_trading.blending.ridge_lambada")


def test_check_tells_the_hash_and_how_much_is_set() -> None:
    plain = run_verb("config", "check")
    changed = run_verb("config", "check", "--set", "sizing.z_max=2")
    assert plain.exit_code == changed.exit_code == 0
    assert "0 values given" in plain.output
    assert "1 values given" in changed.output
    assert plain.output.split("hash ")[1][:16] != changed.output.split("hash ")[1][:16]


def test_the_folder_is_said_by_help_check_and_where_a_profile_is_missing(config: Path) -> None:
    for arguments in (("check",), ("check", "--profile", "nope")):
        assert f"read from {config} (by LIVE_TRADING_CONFIG)" in run_verb("config", *arguments).output


@pytest.mark.parametrize("verb", ["config", "run_backtest", "run_live_trading", "train_models", "check_lookahead"])
def test_help_says_the_folder(config: Path, verb: str) -> None:
    environment = {**os.environ, "COLUMNS": "300"}
    command = [sys.executable, "-m", f"bin.{verb}", "--help"]
    said = subprocess.run(command, env=environment, cwd=REPO, capture_output=True, text=True, check=True).stdout
    assert f"profiles/<name>.yaml of {config} (by LIVE_TRADING_CONFIG)" in said


def test_the_folder_of_the_checkout_is_said_with_how_to_name_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIVE_TRADING_CONFIG")
    assert f"read from {CONFIG_DIR} (another: LIVE_TRADING_CONFIG)" in run_verb("config", "check").output


LIGHTGBM = "training.params.lightgbm"


def test_family_parameters_are_typed_wherever_they_come_from(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = "live_trading: {training: {params: {lightgbm: {num_trees: 40}, extra_trees: {max_leaf_nodes: null}}}}\n"
    (config / "profiles" / "trees.yaml").write_text(profile)
    from_profile = load_settings("trees").config.training
    assert config_dict(from_profile.params_of("lightgbm"))["num_trees"] == 40
    for text in (f"{LIGHTGBM}.num_trees=40", f"{LIGHTGBM}={{num_trees: 40}}", "training.params.LightGBM.NUM_TREES=40"):
        assert load_settings(None, [text, "training.params.extra_trees.max_leaf_nodes=null"]).config.training == (
            from_profile
        )
    monkeypatch.setenv("LIVE_TRADING__TRAINING__PARAMS__LIGHTGBM__NUM_TREES", "40")
    assert load_settings().config.training == from_profile
    assert load_settings(None, ["training.params.onnx.files={ret_5m: a.onnx}"]).config.training.params_of(
        "onnx"
    ).model_dump()["files"] == {"ret_5m": "a.onnx"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{LIGHTGBM}.num_tress=40", f"{LIGHTGBM}.num_tress = 40: unknown key; did you mean {LIGHTGBM}.num_trees?"),
        (f"{LIGHTGBM}.num_trees=0", f"{LIGHTGBM}.num_trees = 0: must be >= 1 and <= 10000"),
        (f"{LIGHTGBM}.num_trees='40'", f'{LIGHTGBM}.num_trees = "40": must be a valid integer (allowed: >= 1 and'),
        ("training.params.LightGMB.num_trees=4", "training.params.lightgmb: unknown key; did you mean training.params"),
        ("training.families=[xgb]", "training.families: model family 'xgb' is unknown; known are extra_trees,"),
        ("training.families=[]", "training.families: name at least one model family; known are extra_trees, hist"),
        ("training.horizons=[]", "training.horizons: must have at least 1 entry, not 0 (each one of 5m, 10m, 15m,"),
        (
            "training.params.mlp.hidden_layer_sizes=[16, 0]",
            "training.params.mlp.hidden_layer_sizes.1 = 0: must be >= 1 and <= 4096",
        ),
        (
            "training.params.mlp.hidden_layer_sizes=[8, 8, 8, 8, 8, 8]",
            "training.params.mlp.hidden_layer_sizes: must have at most 5 entries, not 6 (each >= 1 and <= 4096)",
        ),
        ("training.horizons=[7m]", 'training.horizons.0 = "7m": must be one of 5m, 10m, 15m, 30m, 60m, 1d'),
        ("training.horizons=5m,5m", "training.horizons: 5m: given twice; name each once"),
        (
            "blending.temperature.7m=1",
            "blending.temperature.7m = 1: unknown key; known here: 5m, 10m, 15m, 30m, 60m, 1d",
        ),
        (
            "prediction.standardize=rank",
            "prediction.standardize: unknown key; did you mean prediction.standardizer.standardize?",
        ),
        (
            "prediction.standardizer=rank",
            'prediction.standardizer = "rank": keys stand below it: min_samples, min_symb',
        ),
        ("prediction.standardizer.mode=rank", "prediction.standardizer.mode: unknown key; known here: min_samples,"),
    ],
)
def test_check_names_key_value_and_remedy(config: Path, text: str, said: str) -> None:
    (config / "live_trading.yaml").write_text(
        "live_trading:\n  training:\n    params: {lightgbm: {num_trees: 5}}\n    horizons: [5m]\n"
        "  prediction: {standardizer: {standardize: rank}}\n"
    )
    result = run_verb("config", "check", "--set", text)
    assert result.exit_code == ExitCode.USAGE
    assert f"1 problem\n  command line: {said}" in result.output
    assert "live_trading.yaml" not in result.output


def test_a_quoted_number_of_a_profile_is_refused_with_its_line(config: Path) -> None:
    path = config / "profiles" / "quoted.yaml"
    path.write_text('live_trading:\n  training:\n    params:\n      lightgbm: {num_trees: "40"}\n')
    result = run_verb("config", "check", "--profile", "quoted")
    assert result.exit_code == ExitCode.USAGE
    assert f'{path}:4: {LIGHTGBM}.num_trees = "40": must be a valid integer' in result.output


def test_check_lists_every_error_at_once_with_its_place(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config / "live_trading.yaml").write_text("live_trading:\n  sizing:\n    max_wieght: 0.1\n    z_max: -1\n")
    monkeypatch.setenv("LIVE_TRADING__RISK__MAX_GRSS", "2")
    result = run_verb("config", "check", "--set", "engine.seed=soon")
    assert result.exit_code == ExitCode.USAGE
    for said in ("max_weight", "live_trading.yaml:3", "z_max", "live_trading.yaml:4", "max_gross", "engine.seed"):
        assert said in result.output


def test_show_prints_every_value_with_where_it_comes_from(bench: Bench) -> None:
    result = run_verb("config", "show", "--profile", "busy", "--set", "sizing.z_max=2.5")
    assert result.exit_code == 0
    first, *rows = result.output.splitlines()
    assert len(rows) == len(flat(DEFAULT_CONFIG))
    assert first == f"# read from {bench.config} (by LIVE_TRADING_CONFIG)"
    assert "sizing.z_max = 2.5  # command line" in result.output
    assert "busy.yaml" in next(line for line in result.output.splitlines() if line.startswith("sizing.ic_ref "))
    assert "sizing.max_weight = 0.05  # default" in result.output


def test_show_hides_secrets() -> None:
    result = run_verb("config", "show", "--set", "alerting.webhook.url=https://hooks.example/T0PSECRET")
    assert result.exit_code == 0, result.output
    assert "T0PSECRET" not in result.output
    assert "alerting.webhook.url" in result.output


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(("verify",), "check, show", id="action"),
        pytest.param(("check", "--profile", "nope"), "profiles: busy", id="profile"),
        pytest.param(("check", "--set", "=3"), "section.key=value", id="no-key"),
        pytest.param(("check", "--set", "sizing.z_max=[1"), "sizing.z_max", id="no-yaml"),
    ],
)
def test_what_is_no_configuration_is_refused(arguments: tuple[str, ...], said: str) -> None:
    result = run_verb("config", *arguments)
    assert result.exit_code == ExitCode.USAGE
    assert said in result.output
