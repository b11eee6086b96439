"""Compiled forest against the library (budget row 2): python tests/bench/bench_forest.py [--trees 200 ...]

Both predict with the same models on one thread, interleaved; medians of the thread's CPU time, which neighbours on a
shared machine disturb less than the clock's. Bits are compared before anything is timed.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import LIVE_TRADING  # isort: skip  # noqa: F401  sets thread counts before the numeric libraries are loaded

import lightgbm
import numba
import numpy as np

from LIVE_TRADING.models.families.lightgbm import FAMILY, LightGbmModel, LightGbmParams
from LIVE_TRADING.models.inference import InferenceEngine

BUDGET_RATIO = 8.0


def rows_of(n_rows: int, n_features: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_rows, n_features))
    rows[rng.random(rows.shape) < 0.03] = np.nan
    return rows


def train_texts(args: argparse.Namespace) -> list[bytes]:
    """Return fitted models on distinct data; every tree has all its leaves."""
    params = LightGbmParams(
        num_trees=args.trees, num_leaves=args.leaves, learning_rate=0.05, min_data_in_leaf=20, bagging_freq=0
    )
    texts = []
    for number in range(args.models):
        rows, rng = rows_of(20_000, args.features, number), np.random.default_rng(1000 + number)
        known = np.nan_to_num(rows)
        target = np.tanh(known @ rng.standard_normal(args.features) * 0.3)
        target = target + 0.3 * known[:, 0] * known[:, -1] + 0.5 * rng.standard_normal(len(rows))
        texts.append(FAMILY.train(rows, target, seed=number, params=params).files()["model.txt"])
    return texts


def load(texts: list[bytes], *, compiled: bool) -> tuple[list[LightGbmModel], float]:
    start = time.perf_counter()
    models = [FAMILY.load({"model.txt": text}) for text in texts]
    if compiled:
        for model in models:
            model.compile_forest()
            if model.forest is None:
                raise SystemExit("a model was not compiled; see the log")
    return models, time.perf_counter() - start


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


def processor() -> str:
    """Return the name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("models", 18), ("trees", 200), ("leaves", 31), ("features", 24)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--symbols", type=int, nargs="+", default=[1, 100, 500, 5000])
    parser.add_argument("--seconds", type=float, default=5.0, help="measured per row")
    args = parser.parse_args()
    texts = train_texts(args)
    library, load_s = load(texts, compiled=False)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = folder
        _, first_s = load(texts, compiled=True)
        compiled, again_s = load(texts, compiled=True)
    engine = InferenceEngine([compiled])
    print(f"{processor()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    print(f"Python {platform.python_version()}, LightGBM {lightgbm.__version__}, numba {numba.__version__}", end=", ")
    print(f"numpy {np.__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC")
    print(f"{args.models} models x {args.trees} trees x {args.leaves} leaves x {args.features} features, one thread")
    print(
        f"load: library {load_s:.2f} s, compiled {first_s:.2f} s the first time, {again_s:.2f} s with the tables kept"
    )
    print("| N | Booster.predict ms | compiled ms | ratio | budget |\n|---|---|---|---|---|")
    for n_symbols in args.symbols:
        features = np.ascontiguousarray(rows_of(n_symbols, args.features, 7).T)
        rows = np.ascontiguousarray(features.T)
        expected = np.stack([model.predict(rows) for model in library])
        if engine.predict(features)[0].tobytes() != expected.tobytes():
            raise SystemExit(f"N={n_symbols}: the bits differ")
        slow, fast = medians(
            [lambda r=rows: [model.predict(r) for model in library], lambda f=features: engine.predict(f)], args.seconds
        )
        budget = f">= {BUDGET_RATIO:.0f}" if n_symbols >= 100 else ""
        print(f"| {n_symbols} | {slow:.2f} | {fast:.2f} | {slow / fast:.1f} | {budget} |", flush=True)


if __name__ == "__main__":
    main()
