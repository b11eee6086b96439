"""Measure the budget rows: `python -m tests.bench [--row 1 --row 5] [--out docs/benchmarks.md]`.

Each measurement runs in a process of its own, one after the other. Without `--row` all rows are measured and
docs/benchmarks.md is written; with it the lines are printed only. No test fails on a clock.
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
from pathlib import Path

from tests.bench.report import page, print_lines
from tests.bench.rows import TITLES, Measured

REPO = Path(__file__).resolve().parents[2]
PAGE = REPO / "docs" / "benchmarks.md"
MEASUREMENTS: dict[str, tuple[str, ...]] = {
    "1": ("row_cycle:with_library",),
    "2": ("row_cycle:with_compiled",),
    "3": ("row_live:live_cycle",),
    "4": ("row_backtest:with_models",),
    "5": ("row_workload:against_others",),
    "6": ("row_backtest:against_size", "row_backtest:with_reports"),
    "7": ("row_persistence:saturated", "row_persistence:steady"),
    "8": ("row_persistence:to_the_wire",),
    "9": ("row_persistence:per_cycle",),
    "10": ("row_persistence:checkpoint_pauses", "row_persistence:restart", "row_persistence:replay"),
    "11": ("row_memory:flat",),
    "B2": ("row_stall:beside_inference",),
    "B4": ("row_quotes:per_quote",),
    "15": ("row_start:help_text",),
}


def measure_here(name: str) -> list[Measured]:
    module, function = name.split(":")
    found: list[Measured] = getattr(importlib.import_module(f"tests.bench.{module}"), function)()
    return found


def measure(name: str) -> list[Measured]:
    """Measure in a new process, so that no measurement inherits another's memory."""
    started = time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--one", name], cwd=REPO, stdout=subprocess.PIPE, text=True, check=False
    )
    print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    if ran.returncode:
        row = next(row for row, names in MEASUREMENTS.items() if name in names)
        return [Measured(row, name, "failed", "", False, f"exit code {ran.returncode}, see the output")]
    return [Measured(**entry) for entry in json.loads(ran.stdout.splitlines()[-1])]


def compiled_forest_table() -> str:
    """The table of the compiled forest by itself (bench_forest.py), as it prints it."""
    script = REPO / "tests" / "bench" / "bench_forest.py"
    ran = subprocess.run([sys.executable, str(script)], cwd=REPO, stdout=subprocess.PIPE, text=True, check=False)
    return ran.stdout.strip() if ran.returncode == 0 else ""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--row", action="append", choices=list(TITLES), help="measure this row only; repeatable")
    parser.add_argument("--out", type=Path, help=f"where to write the page (all rows: {PAGE.relative_to(REPO)})")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps([found.to_dict() for found in measure_here(arguments.one)]))
        return 0
    rows = arguments.row or list(MEASUREMENTS)
    out = arguments.out or (None if arguments.row else PAGE)
    found: list[Measured] = []
    forest = ""
    for row in rows:
        for name in MEASUREMENTS[row]:
            found += measure(name)
        if row == "2":
            forest = compiled_forest_table()
        if out is not None:  # after each row: half an hour is long, and what is measured is measured
            out.write_text(page(found, forest), encoding="utf-8")
    print_lines(found)
    if forest:
        print(forest)
    return 0


if __name__ == "__main__":
    sys.exit(main())
