"""Memory and cost per cycle stay where they are, however many cycles come."""

from __future__ import annotations

# covers: P29
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.row_memory import Sample, growth

REPO = Path(__file__).resolve().parents[2]
RUN = """
import json
from tests.bench.row_memory import samples_of
print(json.dumps([[s.cycles, s.rss_mb, s.cpu_s] for s in samples_of({n_symbols}, {n_cycles})]))
"""


def measured(n_symbols: int, n_cycles: int) -> list[Sample]:
    """Run in a process of its own, so that nothing but the cycles is measured."""
    code, env = RUN.format(n_symbols=n_symbols, n_cycles=n_cycles), {"PYTHONPATH": str(REPO)}
    ran = subprocess.run([sys.executable, "-c", code], cwd=REPO, env=env, capture_output=True, text=True, check=True)
    return [Sample(*values) for values in json.loads(ran.stdout)]


def test_memory_is_flat_after_a_thousand_cycles() -> None:
    samples = measured(n_symbols=10, n_cycles=2_500)
    assert samples[-1].cycles >= 2_500
    assert growth(samples)[0] <= 0.05


@pytest.mark.slow
def test_memory_and_cost_are_flat_over_a_hundred_thousand_cycles() -> None:
    samples = measured(n_symbols=100, n_cycles=100_000)
    grown, dearer = growth(samples)
    assert samples[-1].cycles >= 100_000
    assert grown <= 0.05
    assert dearer <= 1.5  # CPU time of a shared machine: what grows with the cycles would be many times that


def test_what_grows_is_seen() -> None:
    growing = [Sample(cycles, 100.0 + cycles / 1_000, cycles**1.5) for cycles in range(0, 20_000, 100)]
    grown, dearer = growth(growing)
    assert grown > 0.1
    assert dearer > 1.5
