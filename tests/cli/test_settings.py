"""The configuration as files, profile, environment and flags make it; `python -m bin.config`."""

from __future__ import annotations

# covers: P2, A14
import shutil
from pathlib import Path

import pytest
from cli_bench import Bench, run_verb

from LIVE_TRADING.cli import settings
from LIVE_TRADING.cli.exits import ExitCode
from LIVE_TRADING.cli.settings import DEFAULT_CONFIG, get_cfg, load_settings
from LIVE_TRADING.common.config import flat
from LIVE_TRADING.common.exceptions import ConfigurationError


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
    for path in sorted((settings.CONFIG_DIR / "profiles").glob("*.yaml")):
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


def test_check_lists_every_error_at_once_with_its_place(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config / "live_trading.yaml").write_text("live_trading:\n  sizing:\n    max_wieght: 0.1\n    z_max: -1\n")
    monkeypatch.setenv("LIVE_TRADING__RISK__MAX_GRSS", "2")
    result = run_verb("config", "check", "--set", "engine.seed=soon")
    assert result.exit_code == ExitCode.USAGE
    for said in ("max_weight", "live_trading.yaml:3", "z_max", "live_trading.yaml:4", "max_gross", "engine.seed"):
        assert said in result.output


def test_show_prints_every_value_with_where_it_comes_from() -> None:
    result = run_verb("config", "show", "--profile", "busy", "--set", "sizing.z_max=2.5")
    assert result.exit_code == 0
    assert len(result.output.splitlines()) == len(flat(DEFAULT_CONFIG))
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
