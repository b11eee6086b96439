"""docs/configuration.md lists every key with its default and range, and no key that does not exist."""

# covers: P2, P26

from __future__ import annotations

import re
from pathlib import Path

import pytest
from configuration_table import PAGE, documented, is_known, renewed, rows

from LIVE_TRADING.cli.settings import Settings

HOW = "write the tables anew with: PYTHONPATH=. python tests/docs/configuration_table.py"
KEY = re.compile(r"`([a-z_]+(?:\.[A-Za-z0-9_]+)+)`")
TEXT = PAGE.read_text(encoding="utf-8")


def test_every_key_is_documented_with_its_default_and_range() -> None:
    written = documented(TEXT)
    for row in rows():
        assert row.key in written, f"{row.key} is not documented; {HOW}"
        there = written[row.key]
        assert (there.default, there.allowed) == (row.default, row.allowed), f"{row.key}; {HOW}"
        assert there.meaning == row.meaning or not row.meaning, f"{row.key}; {HOW}"
        assert there.meaning, f"{row.key}: what it means is missing"


def test_no_key_is_documented_that_does_not_exist() -> None:
    assert set(documented(TEXT)) - {row.key for row in rows()} == set()


def test_the_tables_can_be_written_anew() -> None:
    assert renewed(TEXT) == TEXT
    damaged = TEXT.replace("| `sizing.max_weight` | `0.05` |", "| `sizing.max_weight` | `0.5` |")
    without_a_section = damaged[: damaged.index("### training")] + damaged[damaged.index("### alerting") :]
    again = documented(renewed(without_a_section))
    assert again == documented(TEXT)


def test_every_section_has_its_table() -> None:
    headings = re.findall(r"^### (\w+)$", TEXT, flags=re.MULTILINE)
    assert headings == list(Settings.model_fields)


@pytest.mark.parametrize("page", sorted(PAGE.parent.rglob("*.md")), ids=lambda page: page.name)
def test_keys_named_in_running_text_exist(page: Path) -> None:
    sections = set(Settings.model_fields)
    named = {key for key in KEY.findall(page.read_text(encoding="utf-8")) if key.split(".")[0] in sections}
    files = {key for key in named if key.endswith((".py", ".yaml", ".json", ".md"))}
    assert {key for key in named - files if not is_known(key)} == set()


def test_placeholders_stand_for_free_keys_alone() -> None:
    assert is_known("instruments.symbols.SYMBOL.tick")
    assert is_known("alerting.rules.TYPE.threshold")
    assert not is_known("sizing.SYMBOL")
    assert not is_known("sizing.max_wieght")
    assert not is_known("training.params.lightgbm.no_such")
