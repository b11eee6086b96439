"""Trains and backtests on simulated markets through the command line, each once, shared by all processes of a test run.

What is smaller than the defaults is named in SIZES: how many models there are and how large. The market, the stages,
the costs and the account are the defaults.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from LIVE_TRADING.data.panel import BarPanel
from LIVE_TRADING.data.simulated import SimulatedMarketConfig, simulate_market

REPO = Path(__file__).resolve().parents[2]
RUN_ID = "must-pass"
EDGE = SimulatedMarketConfig().edge
INTERVAL_MINUTES = 5
SIZES = (
    "training.horizons=[15m, 30m, 60m]",
    "training.params.lightgbm.num_trees=40",
    "training.params.lightgbm.num_leaves=15",
    "training.params.lightgbm.learning_rate=0.1",
    "training.threads=1",
)
FORCED = ("arbitration.cost.enabled=false", "arbitration.reserve_bps=0")
TIMEOUT_S = 1800


@dataclass(frozen=True)
class World:
    """A simulated market, named by seed and edge; the first two thirds of its sessions are for training."""

    seed: int
    edge: float = EDGE

    @property
    def settings(self) -> tuple[str, ...]:
        return (f"simulated.seed={self.seed}", f"simulated.edge={self.edge}")

    @cached_property
    def panel(self) -> BarPanel:
        return simulate_market(SimulatedMarketConfig(seed=self.seed, edge=self.edge))

    @cached_property
    def dates(self) -> tuple[str, ...]:
        return tuple(session.date for session in self.panel.sessions.sessions)

    @property
    def training_sessions(self) -> int:
        return len(self.dates) * 2 // 3

    @property
    def traded_sessions(self) -> tuple[str, ...]:
        return self.dates[self.training_sessions :]


@dataclass(frozen=True)
class Result:
    """The result folder of a backtest, and the bars that it traded."""

    world: World
    out: Path
    bars: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        return json.loads((self.out / "summary.json").read_text(encoding="utf-8"))


class Runs:
    """Runs in a folder; what stands there already is not made again, so clear it when the program changes."""

    def __init__(
        self, root: Path, sizes: tuple[str, ...] = SIZES, environment: Mapping[str, str] | None = None
    ) -> None:
        root.mkdir(parents=True, exist_ok=True)
        self._root = root
        self._sizes = sizes
        self._environment = dict(environment or {})

    def backtest(self, world: World, *, forced: bool = False) -> Result:
        """Return the backtest of a world; `forced` to trade by believing that trades are free."""
        folder = self._root / f"seed-{world.seed}-edge-{world.edge}"
        folder.mkdir(exist_ok=True)
        result = Result(world, folder / ("forced" if forced else "believing"), folder / "bars.parquet")
        with _alone(folder / "lock"):
            given = (*world.settings, *self._sizes)
            if not (folder / "runs" / RUN_ID).exists():
                self._verb(folder, "train_models", given, "--until", world.dates[world.training_sessions - 1])
            if not result.out.exists():
                given = (*given, *FORCED) if forced else given
                start = world.traded_sessions[0]
                self._verb(folder, "run_backtest", given, "--start", start, "--out", str(result.out))
            if not result.bars.exists():
                _write_bars(world, result.bars)
        return result

    def _verb(self, folder: Path, verb: str, settings: tuple[str, ...], *arguments: str) -> None:
        command = [sys.executable, "-m", f"bin.{verb}", "--data", "simulated", "--run-id", RUN_ID, *arguments]
        command += [word for setting in settings for word in ("--set", setting)]
        ambient = {name: value for name, value in os.environ.items() if not name.startswith("LIVE_TRADING")}
        environment = {**ambient, **self._environment, "LIVE_TRADING_RUNS": str(folder / "runs")}
        done = subprocess.run(
            command, cwd=REPO, env=environment, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that other processes of the test run wait for."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _write_bars(world: World, path: Path) -> None:
    """Write the traded sessions as the recomputation reads them: opens and closes by the start of the bar."""
    panel = world.panel
    rows, columns = np.nonzero(np.isfinite(panel.close) & (panel.session_index >= world.training_sessions)[:, None])
    starts = panel.bar_end_ns[rows] - panel.interval_ns
    table = {
        "symbol": pa.array([panel.symbols[column] for column in columns]),
        "timestamp": pa.array(starts // 1000, pa.timestamp("us", tz="UTC")),
        "open": pa.array(panel.open[rows, columns]),
        "close": pa.array(panel.close[rows, columns]),
    }
    temp = path.with_suffix(".partial")
    pq.write_table(pa.table(table), temp)
    temp.rename(path)
