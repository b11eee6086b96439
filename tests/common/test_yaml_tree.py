"""YAML as YAML 1.2 reads it, with lines."""

# covers: A14

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from LIVE_TRADING.common.yaml_tree import parse_text, parse_yaml, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("ON", "ON"),
        ("NO", "NO"),
        ("14:30", "14:30"),
        ("2025-10-15", "2025-10-15"),
        ("0700", "0700"),
        ("0x1F", "0x1F"),
        (".nan", ".nan"),
        ("true", True),
        ("False", False),
        ("1e-4", 1e-4),
        ("1.5E+3", 1500.0),
        (".5", 0.5),
        ("-2.", -2.0),
        ("100_000", 100_000),
        ("-7", -7),
        ("null", None),
        ("", None),
        ("~", None),
        ('"5"', "5"),
        ("!!str 5", "5"),
        ("[a, 1, true]", ["a", 1, True]),
        ("a: b", {"a": "b"}),
        ("{a: 1e-4, b: [x]}", {"a": 1e-4, "b": ["x"]}),
    ],
)
def test_texts(text: str, value: Any) -> None:
    got = parse_text(text).value
    assert got == value
    assert type(got) is type(value)


def test_a_text_that_is_no_yaml_says_so_without_a_place() -> None:
    assert parse_text("[a").problems == ("is no YAML: expected ',' or ']', but got '<stream end>'",)


def test_lines_of_keys_and_entries() -> None:
    tree = parse_yaml("# head\na:\n  b: 1\n  on: [x, y]\nc:\n  - 2\n  - d: 3\n", "f")
    assert tree.value == {"a": {"b": 1, "on": ["x", "y"]}, "c": [2, {"d": 3}]}
    assert tree.problems == ()
    assert tree.lines[("a", "b")] == 3
    assert tree.lines[("a", "on", 1)] == 4
    assert tree.lines[("c", 1, "d")] == 7


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3: a: given twice, first on line 1"),
        ("a:\n  b: 1\n  b: 2\n", "f:3: a.b: given twice, first on line 2"),
        ("a: [1\nb: 2\n", "f:2: is no YAML: expected ',' or ']', but got ':'"),
        ("a: 1\n---\nb: 2\n", "f:2: is no YAML: but found another document"),
        ("\x00", "f: is no YAML: unacceptable character #x0000: special characters are not allowed"),
        ("a: &x\n  b: *x\n", "f:1: an alias that holds itself"),
        ("? [a]\n: 1\n", "f:1: a key that is no text"),
        ("a: !!int x\n", "f:1: 'x' is no int"),
        ("a: !!python/name:os.system\n", "f:1: the tag tag:yaml.org,2002:python/name:os.system is not known"),
        ("a: 1\nb: 1e999\n", "f:2: 1e999 is no finite number"),
    ],
)
def test_problems_have_a_line(text: str, problem: str) -> None:
    assert parse_yaml(text, "f").problems == (problem,)


def test_what_has_a_problem_is_left_out_and_the_rest_kept() -> None:
    assert parse_yaml("a: 1e999\nb: 1\nc:\n", "f").value == {"b": 1, "c": None}


def test_aliases_repeat_a_value() -> None:
    assert parse_yaml("a: &x [1]\nb: *x\n", "f").value == {"a": [1], "b": [1]}


def test_files_that_cannot_be_read_are_problems(tmp_path: Path) -> None:
    absent, folder, binary = tmp_path / "no.yaml", tmp_path, tmp_path / "b.yaml"
    binary.write_bytes(b"a: \xff")
    assert read_yaml(absent).problems == (f"{absent}: no such file",)
    assert read_yaml(folder).problems == (f"{folder}: cannot be read (Is a directory)",)
    assert read_yaml(binary).problems == (f"{binary}: is no UTF-8 text (byte 3)",)
