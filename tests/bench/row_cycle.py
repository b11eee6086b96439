"""Rows 1 and 2: one cycle from bars to orders, with the library and with the compiled forest."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np

from LIVE_TRADING.brokers.simulated import BacktestBroker
from LIVE_TRADING.common.events import PredictionsReady
from LIVE_TRADING.engine.commands import CancelOrder, Command, RunInference, SubmitOrder
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.engine.schedule import CYCLE, schedule
from tests.bench.rows import Measured, at_least, at_most
from tests.bench.worlds import Forecaster, Noise, exchange_of, load_models, market, median, plan_of

SIZES = {100: (60, 1.0, 4.0), 500: (40, 2.0, 12.0), 5000: (12, 10.0, 110.0)}  # cycles, rest ms, compiled cycle ms
WARM_SESSIONS = 3


@dataclass
class Times:
    """Seconds per cycle: bare library calls, inference as the engine asks for it, and everything else."""

    bare: list[float] = field(default_factory=list)
    inference: list[float] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)

    @property
    def total(self) -> list[float]:
        return [a + b for a, b in zip(self.inference, self.rest, strict=True)]


def cycles(n_symbols: int, n_cycles: int, forecaster: Forecaster, *, bare: bool) -> Times:
    """Time cycles of a run that is warm; fills, acknowledgements and the venue are not of the cycle."""
    panel = market(n_symbols, WARM_SESSIONS + 1)
    plan = plan_of(panel, WARM_SESSIONS)
    core, noise = plan.core(), Noise()
    driver, broker = Driver(core, None, (), strict=True), BacktestBroker(exchange_of(panel), panel.sessions)
    times, measured_from = Times(), plan.run.warmup_until_ns
    rows = {int(end): row for row, end in enumerate(panel.bar_end_ns)}

    def carry_out(commands: list[Command], now_ns: int) -> None:
        for command in commands:
            if isinstance(command, SubmitOrder):
                broker.submit(command.order, now_ns)
            elif isinstance(command, CancelOrder):
                broker.cancel(command.client_order_id, now_ns)
        while (arrival_ns := broker.next_arrival_ns()) is not None and arrival_ns <= now_ns:
            carry_out(driver.step(broker.pop(), now_ns), now_ns)

    for due in schedule(panel.sessions, panel.interval_ns, 0, plan.feed_start_ns, plan.end_ns):
        now_ns = due.due_ns
        if due.trigger_type != CYCLE:
            carry_out(driver.step(due.event(now_ns), now_ns), now_ns)
            continue
        bars = panel.batch(rows[now_ns])
        broker.observe(bars)
        carry_out([], now_ns)
        started = time.perf_counter()
        driver.step(bars, now_ns)
        commands = driver.step(due.event(now_ns), now_ns)
        asked = next(command for command in commands if isinstance(command, RunInference))
        triggered = time.perf_counter()
        warm = now_ns > measured_from
        said = (forecaster if warm else noise).predict(asked.features)
        answered = time.perf_counter()
        commands += driver.step(PredictionsReady(now_ns, said.raw, None, None), now_ns)
        ended = time.perf_counter()
        carry_out(commands, now_ns)
        if warm:
            times.rest.append(triggered - started + ended - answered)
            times.inference.append(answered - triggered)
            if bare:
                times.bare.append(forecaster.bare_s(np.ascontiguousarray(asked.features.T)))
            if len(times.rest) == n_cycles:
                return times
    return times


def with_library() -> list[Measured]:
    forecaster, found = Forecaster(load_models(compiled=False)), []
    for n, (n_cycles, rest_ms, _) in SIZES.items():
        times = cycles(n, n_cycles, forecaster, bare=True)
        ratio = median([total / bare for total, bare in zip(times.total, times.bare, strict=True)])
        bare = f"bare predict {median(times.bare) * 1e3:.1f} ms, cycle {median(times.total) * 1e3:.1f} ms"
        found.append(at_most("1", f"N = {n}: everything but the forest", median(times.rest) * 1e3, rest_ms, "ms"))
        found.append(at_most("1", f"N = {n}: cycle over bare predict calls", ratio, 1.15, "", bare))
    return found


def with_compiled() -> list[Measured]:
    forecaster, found = Forecaster(load_models(compiled=True)), []
    for n, (n_cycles, _, cycle_ms) in SIZES.items():
        times = cycles(n, n_cycles, forecaster, bare=True)
        ratio = median([bare / fast for bare, fast in zip(times.bare, times.inference, strict=True)])
        note = f"inference {median(times.inference) * 1e3:.2f} ms, library {median(times.bare) * 1e3:.1f} ms"
        found.append(at_least("2", f"N = {n}: compiled against library, in the cycle", ratio, 8.0, "x", note))
        found.append(at_most("2", f"N = {n}: whole cycle, compiled", median(times.total) * 1e3, cycle_ms, "ms"))
    return found
