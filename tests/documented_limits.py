"""Settings as docs/configuration.md gives them, put to the classes: defaults, and limits to the last bit."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

PAGE = Path(__file__).resolve().parents[1] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `(?P<key>[\w.]+)` \| `(?P<default>.*?)` \| (?P<allowed>.*?) \| ")
LIMIT = re.compile(r"(>=|<=|>|<) (-?[\d.]+)")


@dataclass(frozen=True)
class Setting:
    """One row of the page; `limits` are pairs of a comparison and a number."""

    path: tuple[str, ...]
    default: Any
    limits: tuple[tuple[str, float], ...]

    def __str__(self) -> str:
        return ".".join(self.path)


def documented(section: str) -> list[Setting]:
    """Return the settings of a section."""
    rows = (ROW.match(line) for line in PAGE.read_text(encoding="utf-8").splitlines())
    return [
        Setting(
            tuple(row["key"].split(".")[1:]),
            yaml.safe_load(row["default"]),
            tuple((sign, float(number)) for sign, number in LIMIT.findall(row["allowed"])),
        )
        for row in rows
        if row and row["key"].startswith(f"{section}.")
    ]


def check(config: type[BaseModel], setting: Setting) -> None:
    """Assert that a setting has the default of the page, takes what it allows and refuses the next number beyond."""
    assert reduce(getattr, setting.path, config()) == setting.default
    for sign, limit in setting.limits:
        inward, outward = (math.inf, -math.inf) if sign.startswith(">") else (-math.inf, math.inf)
        if sign.endswith("="):
            good, bad = limit, math.nextafter(limit, outward)
        else:
            good, bad = math.nextafter(limit, inward), limit
        assert reduce(getattr, setting.path, config.model_validate(_nested(setting, good))) == good
        with pytest.raises(ValueError, match=setting.path[-1]):
            config.model_validate(_nested(setting, bad))


def _nested(setting: Setting, value: float) -> dict[str, Any]:
    given: Any = value
    for name in reversed(setting.path):
        given = {name: given}
    return given
