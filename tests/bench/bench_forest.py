"""Compiled forests against their libraries (budget row 2): python tests/bench/bench_forest.py [--family extra_trees]

Both predict with the same models on one thread, interleaved; medians of the thread's CPU time, which neighbours on a
shared machine disturb less than the clock's. Bits are compared before anything is timed. `measure` is the part that
other benchmarks call.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import LIVE_TRADING  # isort: skip  # noqa: F401  sets thread counts before the numeric libraries are loaded

import lightgbm
import numba
import numpy as np
import sklearn

from LIVE_TRADING.models.families.interface import get_family
from LIVE_TRADING.models.forest_model import ForestModel
from LIVE_TRADING.models.inference import InferenceEngine

REPO = Path(__file__).resolve().parents[2]
BUDGET_RATIO, BUDGET_FROM = 8.0, 100
SIZES = (1, 100, 500, 5000)
TRAINING_ROWS = 20_000
START = """
import LIVE_TRADING, lightgbm, sklearn.ensemble, time
from pathlib import Path
from LIVE_TRADING.models.forest_compiler import load_walk
start = time.process_time()
load_walk("across", Path({folder!r})), load_walk("down", Path({folder!r}))
print(time.process_time() - start)
"""


@dataclass(frozen=True)
class Workload:
    """Models of one family; `params` make every tree as wide as training on real bars does, on fewer rows."""

    n_models: int
    params: dict[str, Any]
    what: str


WORKLOADS = {
    "lightgbm": Workload(
        18,
        {"num_trees": 200, "learning_rate": 0.05, "min_data_in_leaf": 20, "bagging_freq": 0},
        "200 trees x 31 leaves, Booster.predict",
    ),
    "quantile_lightgbm": Workload(6, {"min_data_in_leaf": 20}, "3 x 60 trees x 31 leaves, Booster.predict"),
    "hist_gradient_boosting": Workload(6, {"min_samples_leaf": 20}, "100 trees x 16 leaves, the library's trees asked"),
    "extra_trees": Workload(6, {"min_samples_leaf": 8}, "100 trees x 350 leaves, the library's trees asked"),
}


@dataclass(frozen=True)
class ForestTimes:
    """CPU milliseconds of all models of a family over N rows."""

    family: str
    n_symbols: int
    library_ms: float
    compiled_ms: float

    @property
    def ratio(self) -> float:
        """How many times faster the compiled form is."""
        return self.library_ms / self.compiled_ms

    @property
    def met(self) -> bool | None:
        """Whether the budget is met; None: it has none at this N."""
        return self.ratio >= BUDGET_RATIO if self.n_symbols >= BUDGET_FROM else None


def rows_of(n_rows: int, n_features: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, n_features))
    rows[rng.random(rows.shape) < 0.03] = np.nan
    return rows


def fitted(family: str, n_features: int, n_models: int) -> list[ForestModel]:
    """Return models on distinct data, as they were fitted."""
    chosen = get_family(family)
    params = chosen.params(**WORKLOADS[family].params)
    models = []
    for number in range(n_models):
        rows, rng = rows_of(TRAINING_ROWS, n_features, number), np.random.default_rng(1000 + number)
        known = np.nan_to_num(rows)
        target = np.tanh(known @ rng.standard_normal(n_features) * 0.3)
        target = target + 0.3 * known[:, 0] * known[:, -1] + 0.5 * rng.standard_normal(len(rows))
        models.append(chosen.train(rows, target, seed=number, params=params))
    return models


def measure(
    family: str, sizes: Sequence[int] = SIZES, seconds: float = 3.0, n_features: int = 24, n_models: int | None = None
) -> Iterator[ForestTimes]:
    """Yield the times of one family at each size, about `seconds` of measuring each.

    Raises
    ------
    SystemExit
        A model is not compiled, or a bit differs.
    """
    library = fitted(family, n_features, n_models or WORKLOADS[family].n_models)
    compiled = [get_family(family).load(model.files()) for model in library]
    for model in compiled:
        model.compile_forest(family)
        if model.forest is None:
            raise SystemExit(f"a model of {family} was not compiled; see the log")
    engine = InferenceEngine([compiled])
    for n_symbols in sizes:
        features = np.ascontiguousarray(rows_of(n_symbols, n_features, 7).T)
        rows = np.ascontiguousarray(features.T)
        expected = np.stack([model.predict_by_library(rows) for model in library])
        if engine.predict(features)[0].tobytes() != expected.tobytes():
            raise SystemExit(f"{family}, N={n_symbols}: the bits differ")
        slow, fast = medians(
            [lambda r=rows: [model.predict_by_library(r) for model in library], lambda f=features: engine.predict(f)],
            seconds,
        )
        yield ForestTimes(family, n_symbols, slow, fast)


def medians(calls: list[Callable[[], object]], seconds: float) -> list[float]:
    """Return the median CPU time of each call in milliseconds; the calls take turns, so that noise meets all alike."""
    times: list[list[float]] = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while len(times[0]) < 5 or time.perf_counter() < end:
        for call, found in zip(calls, times, strict=True):
            start = time.thread_time()
            call()
            found.append((time.thread_time() - start) * 1e3)
    return [statistics.median(found) for found in times]


def start_up_s() -> tuple[float, float]:
    """Return CPU seconds that compiled code costs a start: the first on a machine, and the median of three later ones.

    numba's import is part of it, those of the models' own libraries are not.
    """
    with tempfile.TemporaryDirectory() as folder:
        script = START.format(folder=folder)
        found = [
            float(subprocess.run([sys.executable, "-c", script], cwd=REPO, check=True, capture_output=True).stdout)
            for _ in range(4)
        ]
    return found[0], statistics.median(found[1:])


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--family", nargs="+", choices=list(WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--features", type=int, default=24)
    parser.add_argument("--symbols", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--seconds", type=float, default=3.0, help="measured per line")
    args = parser.parse_args()
    first_s, again_s = start_up_s()
    print(f"{processor()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, LightGBM {lightgbm.__version__}, scikit-learn {sklearn.__version__}")
    print(f"numba {numba.__version__}, numpy {np.__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(
        f"{args.features} features, one thread; start-up {first_s:.2f} s of CPU, {again_s:.2f} s with the code kept\n"
    )
    print("| models | N | library ms | compiled ms | ratio | budget |\n|---|---|---|---|---|---|")
    for family in args.family:
        workload = WORKLOADS[family]
        for times in measure(family, args.symbols, args.seconds, args.features):
            what = f"{workload.n_models} {family}, {workload.what}" if times.n_symbols == args.symbols[0] else ""
            budget = "" if times.met is None else f">= {BUDGET_RATIO:.0f}"
            figures = f"{times.library_ms:.2f} | {times.compiled_ms:.2f} | {times.ratio:.1f} | {budget} |"
            print(f"| {what} | {times.n_symbols} | {figures}", flush=True)


if __name__ == "__main__":
    main()
