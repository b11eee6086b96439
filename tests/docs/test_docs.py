"""The documentation is true where it can be checked: snippets run, commands and names exist, links resolve."""

# covers: B28, P26

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import typer
import yaml
from configuration_table import is_known
from pages import (
    CLASS,
    METRIC,
    PATH,
    REPO,
    Command,
    Snippet,
    anchors,
    commands,
    links,
    named,
    pages,
    read,
    snippets,
)

from LIVE_TRADING.cli.settings import Settings
from LIVE_TRADING.common.config import load_tree
from LIVE_TRADING.common.reasons import REASON_TEXT
from LIVE_TRADING.observability.events import EventType
from LIVE_TRADING.observability.metrics import MetricsCollector
from LIVE_TRADING.risk.rules import rule_names

PAGES = pages()
PYTHON = [snippet for page in PAGES for snippet in snippets(page, "python")]
YAML = [snippet for page in PAGES for snippet in snippets(page, "yaml")]
COMMANDS = sorted({command for page in PAGES for command in commands(page)}, key=str)
STAGES_PAGE = REPO / "docs" / "architecture" / "PIPELINE_STAGES.md"
FRONT_DOOR = REPO / "docs" / "architecture" / "live-trading.md"


def by_name(page: Path) -> str:
    return page.relative_to(REPO).as_posix()


@pytest.mark.parametrize("snippet", PYTHON, ids=str)
def test_a_python_snippet_runs(snippet: Snippet, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", snippet.text],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("snippet", YAML, ids=str)
def test_a_yaml_snippet_is_a_configuration(snippet: Snippet, tmp_path: Path) -> None:
    assert set(yaml.safe_load(snippet.text)) == {"live_trading"}
    file = tmp_path / "live_trading.yaml"
    file.write_text(snippet.text, encoding="utf-8")
    load_tree(Settings, [file])


@cache
def flags_of(verb: str) -> frozenset[str]:
    """Return the flags of a verb, as its help lists them."""
    app = typer.main.get_command(importlib.import_module(f"bin.{verb}").app)
    return frozenset(option for param in app.params for option in (*param.opts, *param.secondary_opts)) | {"--help"}


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_exists_with_its_flags(command: Command) -> None:
    assert (REPO / "bin" / f"{command.verb}.py").exists(), f"{command}: no such verb"
    assert set(command.flags) - flags_of(command.verb) == set(), str(command)
    for setting in command.settings:
        assert is_known(setting.partition("=")[0]), f"{command}: --set {setting}"


def test_flags_are_read_from_the_help() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "bin.replay_session", "--help"],
        cwd=REPO,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    ).stdout
    assert set(re.findall(r"(--[a-z-]+)", help_text)) == flags_of("replay_session")


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_paths_in_backticks_exist(page: Path) -> None:
    missing = [name for name in sorted(named(page)) if PATH.match(name) and not (REPO / name).exists()]
    assert missing == []


@cache
def known_classes() -> frozenset[str]:
    """Return the names of all classes of the package, and of those that stand in its annotations."""
    found: set[str] = set()
    for file in sorted((REPO / "LIVE_TRADING").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        found.update(re.findall(r"^\s*class (\w+)", text, flags=re.MULTILINE))
        found.update(re.findall(r"\bimport \w+ as (\w+)", text))
    return frozenset(found)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_classes_in_backticks_exist(page: Path) -> None:
    words = {word.partition(".")[0].partition("(")[0] for word in named(page)}
    assert {word for word in words if CLASS.match(word)} - known_classes() == set()


def metric_names() -> set[str]:
    """Return the names under which Prometheus sees the metrics."""
    collected = MetricsCollector().registry.collect()
    return {f"{family.name}_total" if family.type == "counter" else family.name for family in collected}


def test_every_metric_is_named_and_no_other() -> None:
    written = {name for page in PAGES for name in METRIC.findall(read(page))}
    assert written - metric_names() == set()
    assert metric_names() - set(METRIC.findall(read(FRONT_DOOR))) == set()


def test_every_reason_and_rule_is_explained() -> None:
    words = named(STAGES_PAGE)
    reasons = set(REASON_TEXT.values()) - {"warmup"}
    assert reasons - words == set()
    assert set(rule_names()) - words == set()


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_notices_that_alerts_name_exist(page: Path) -> None:
    known = {kind.value for kind in EventType}
    named_by_rules = re.findall(r"Alert on: (.*?)\.\n", read(page), flags=re.DOTALL)
    words = {word for text in named_by_rules for word in re.findall(r"`(\w+)`", text)}
    assert words - known == set()


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_resolve(page: Path) -> None:
    broken = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_reached_from_another() -> None:
    reached = {
        (page.parent / target.partition("#")[0]).resolve()
        for page in PAGES
        for target in links(page)
        if target[0] != "#"
    }
    assert [by_name(page) for page in PAGES if page.name != "README.md" and page not in reached] == []
