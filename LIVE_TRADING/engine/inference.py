"""Models, or a rule, at work beside the loop: in one worker thread, so that a slow one does not hold up fills."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Protocol

import numpy as np

from LIVE_TRADING.common.async_clock import AsyncClock, VirtualClock
from LIVE_TRADING.common.events import Answer, CycleAborted, PredictionsReady, TargetsReady
from LIVE_TRADING.common.types import FloatArray, RawPredictions
from LIVE_TRADING.common.units import NS_PER_S
from LIVE_TRADING.engine.commands import RunInference
from LIVE_TRADING.engine.inbox import Inbox
from LIVE_TRADING.engine.latency import InferenceLatency
from LIVE_TRADING.engine.rule import TargetRule, targets_of
from LIVE_TRADING.models.windows import Windows
from LIVE_TRADING.observability import emit
from LIVE_TRADING.observability.bus import NoticeBus

FAILED = "inference_failed"


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
    """Answers `RunInference` with `PredictionsReady`, or `TargetsReady` of a rule; with `CycleAborted` where none come.

    `seconds` sums the time spent in the models, or the rule.
    """

    def __init__(
        self,
        predictor: Predictor | TargetRule,
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
        """Ask for one cycle."""
        cycle_ns, requested_ns = command.cycle_time_ns, self._clock.now_ns()
        future = asyncio.get_running_loop().run_in_executor(self._worker, _timed, self._question(command))
        if self._latency.times_out(cycle_ns):
            await self._clock.wait(None, requested_ns + self._latency.timeout_ns)
            self._timed_out(cycle_ns)
        elif not isinstance(self._clock, VirtualClock):
            await asyncio.wait([future], timeout=self._latency.timeout_ns / NS_PER_S)
            if not future.done():
                self._timed_out(cycle_ns)
        try:
            answer, duration_s = await future
        except Exception as error:  # noqa: BLE001  whatever a model or a rule raises ends its cycle and stops new orders
            self._inbox.fault(FAILED, error)
            self._inbox.put(CycleAborted(cycle_ns, FAILED))
            return
        await self._clock.wait(None, requested_ns + self._latency.of(cycle_ns))
        self.seconds += duration_s
        emit.emit_inference_completed(self._bus, self._clock.now_ns(), cycle_time_ns=cycle_ns, duration_s=duration_s)
        self._inbox.put(answer)

    def _question(self, command: RunInference) -> Callable[[], Answer]:
        """Return what the worker is to do; what later events would change is copied now."""
        if isinstance(self._predictor, TargetRule):
            return partial(_targets, self._predictor, command)
        return partial(_predictions, self._predictor, command.cycle_time_ns, *command.inputs())

    def _timed_out(self, cycle_ns: int) -> None:
        """Give a cycle up whose predictions do not come."""
        timeout_s = self._latency.timeout_ns / NS_PER_S
        emit.emit_prediction_timeout(self._bus, self._clock.now_ns(), cycle_time_ns=cycle_ns, timeout_s=timeout_s)
        self._inbox.put(CycleAborted(cycle_ns, "timeout"))


def _targets(rule: TargetRule, command: RunInference) -> TargetsReady:
    return TargetsReady(command.cycle_time_ns, targets_of(rule, command.bars))


def _predictions(
    predictor: Predictor, cycle_ns: int, features: FloatArray, windows: Windows | None = None
) -> PredictionsReady:
    said = predictor.predict(features) if windows is None else predictor.predict(features, windows)
    return PredictionsReady(cycle_ns, said.raw, said.p_peak, said.p_valley)


def _timed(question: Callable[[], Answer]) -> tuple[Answer, float]:
    started = time.perf_counter()
    answer = question()
    return answer, time.perf_counter() - started
