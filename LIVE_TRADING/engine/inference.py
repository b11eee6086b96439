"""Models at work beside the loop: in one worker thread, so that a slow one does not hold up fills."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import numpy as np

from LIVE_TRADING.common.async_clock import AsyncClock, VirtualClock
from LIVE_TRADING.common.events import CycleAborted, PredictionsReady
from LIVE_TRADING.common.types import FloatArray, RawPredictions
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.commands import RunInference
from LIVE_TRADING.engine.inbox import Inbox
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.models.windows import Windows
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.bus import NoticeBus


class Predictor(Protocol):
    """The inference half of stage 1."""

    def predict(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return raw forecasts (H, M, N) and barrier probabilities (N,) of features (F, N).

        `windows` (N, L, F) are handed over where the market memory keeps them; elsewhere the argument is left out.
        """
        ...


class NoForecasts:
    """Stands in where there are no models: no symbol ever has a view, so nothing is ever entered."""

    def __init__(self, n_horizons: int, n_families: int) -> None:
        self._shape = (n_horizons, n_families)

    def predict(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return NaN of shape (H, M, N), and no probabilities."""
        return RawPredictions(np.full((*self._shape, features.shape[1]), np.nan))


class Inference:
    """Answers `RunInference` with `PredictionsReady`, or with `CycleAborted` where none come, or not in time.

    `seconds` sums the time spent in models.
    """

    def __init__(
        self,
        predictor: Predictor,
        clock: AsyncClock,
        inbox: Inbox,
        bus: NoticeBus,
        latency: InferenceLatency | None = None,
    ) -> None:
        self._predictor = predictor
        self._clock = clock
        self._inbox = inbox
        self._bus = bus
        self._latency = latency or InferenceLatency()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="inference")
        self.seconds = 0.0

    def close(self) -> None:
        """Take nothing more; what runs in the worker is left to end by itself."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    async def infer(self, command: RunInference) -> None:
        """Ask the models for one cycle."""
        cycle_ns, requested_ns = command.cycle_time_ns, self._clock.now_ns()
        future = asyncio.get_running_loop().run_in_executor(self._worker, self._timed_predict, *command.inputs())
        if self._latency.times_out(cycle_ns):
            await self._clock.wait(None, requested_ns + self._latency.timeout_ns)
            self._timed_out(cycle_ns)
        elif not isinstance(self._clock, VirtualClock):
            await asyncio.wait([future], timeout=self._latency.timeout_ns / NS_PER_S)
            if not future.done():
                self._timed_out(cycle_ns)
        try:
            said, duration_s = await future
            ready = PredictionsReady(cycle_ns, said.raw, said.p_peak, said.p_valley)
        except Exception as error:  # noqa: BLE001  whatever a model raises ends its cycle and stops new orders
            self._inbox.fault("inference_failed", error)
            self._inbox.put(CycleAborted(cycle_ns, "inference_failed"))
            return
        await self._clock.wait(None, requested_ns + self._latency.of(cycle_ns))
        self.seconds += duration_s
        emit.emit_inference_completed(self._bus, self._clock.now_ns(), cycle_time_ns=cycle_ns, duration_s=duration_s)
        self._inbox.put(ready)

    def _timed_predict(self, *inputs: Any) -> tuple[RawPredictions, float]:
        started = time.perf_counter()
        said = self._predictor.predict(*inputs)
        return said, time.perf_counter() - started

    def _timed_out(self, cycle_ns: int) -> None:
        """Give a cycle up whose predictions do not come."""
        timeout_s = self._latency.timeout_ns / NS_PER_S
        emit.emit_prediction_timeout(self._bus, self._clock.now_ns(), cycle_time_ns=cycle_ns, timeout_s=timeout_s)
        self._inbox.put(CycleAborted(cycle_ns, "timeout"))
