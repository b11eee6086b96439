"""The table of a benchmark run, for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.rows import NOT_YET, TITLES, Measured

LIBRARIES = ("numpy", "lightgbm", "numba", "scikit-learn", "scipy")
NOTES = Path(__file__).with_name("notes.md")


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def print_lines(found: Sequence[Measured]) -> None:
    for line in found:
        print(f"{line.row:>3}  {line.what:<52} {line.figure:>14}  {line.budget:<14} {_verdict(line):<7} {line.note}")


def page(found: Sequence[Measured], forest: str) -> str:
    """The whole of docs/benchmarks.md."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`, which measures every budget that can be measured today; no test fails on a clock.",
        "One row alone: `python -m tests.bench --row 5`. Times are medians of one machine at one time, ratios are to",
        "floors measured in the same run. The code is in `tests/bench`.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {processor()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}",
        f"at the end; Python {platform.python_version()}, {versions}.",
        "",
        "| row | what | measured | budget | met | |",
        "|---|---|---|---|---|---|",
    ]
    for row, title in TITLES.items():
        lines += [f"| **{row}** | {title} | | | | |"]
        lines += [
            f"| {line.row} | {line.what} | {line.figure} | {line.budget} | {_verdict(line)} | {line.note} |"
            for line in found
            if line.row == row
        ]
    lines += [f"| {row} | {title} | not yet | | | |" for row, title in NOT_YET.items()]
    if forest:
        said, _, table = forest.partition("\n| ")
        lines += ["", "## The compiled forest by itself", "", *said.splitlines(), "", *f"| {table}".splitlines()]
    return "\n".join([*lines, "", NOTES.read_text(encoding="utf-8").strip(), ""])


def _verdict(line: Measured) -> str:
    return "" if line.met is None else "yes" if line.met else "**no**"
