"""Row B2: a model call of 200 ms beside the loop, and what it does to the handling of fills, family by family.

Fills come at a steady pace; a thread asks the model again and again for as many rows as take it 200 ms. Kernels of the
libraries release the interpreter's lock; what a family does in Python between them is what the loop waits for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event as ThreadEvent

import LIVE_TRADING  # isort: skip  # noqa: F401  sets thread counts before the numeric libraries are loaded

import numpy as np

from LIVE_TRADING.common.garbage import settle_memory
from LIVE_TRADING.common.handover import hand_over_soon
from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.engine.driver import Driver
from LIVE_TRADING.models.families.interface import (
    ImportedFamily,
    Model,
    SequenceModel,
    TrainableFamily,
    family_names,
    get_family,
)
from LIVE_TRADING.models.forest_model import ForestModel
from tests.bench.row_persistence import AT_NS, Reports
from tests.bench.rows import Measured
from tests.bench.worlds import market, plan_of
from tests.support.onnx_graphs import gru

CALL_S, PER_SECOND, SECONDS = 0.2, 1000, 4.0
N_FEATURES, LOOKBACK, FIT_ROWS, FIRST_ROWS = 24, 16, 4000, 2000


def calls() -> Iterator[tuple[str, Callable[[int], object]]]:
    """Yield by name what asks a model of each family for R rows."""
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((FIT_ROWS, N_FEATURES))
    target = np.tanh(rows[:, 0]) + rng.standard_normal(FIT_ROWS)
    for name in family_names():
        family = get_family(name)
        if isinstance(family, TrainableFamily):
            model: Model = family.train(rows, target, seed=1, params=family.params())
        else:
            assert isinstance(family, ImportedFamily)
            params = family.params(lookback=LOOKBACK, trained_until="2025-01-02", missing="pass")
            names = tuple(f"feature_{number}" for number in range(N_FEATURES))
            model = family.accept(gru(LOOKBACK, N_FEATURES, imputed=True).data, features=names, params=params)
        yield name, _asking(model, rows)
        if isinstance(model, ForestModel):
            model.compile_forest(name)
            if model.forest is not None:
                yield f"{name}, compiled", _asking(model, rows)


def _asking(model: Model, rows: FloatArray) -> Callable[[int], object]:
    inputs: dict[int, FloatArray] = {}

    def ask(n_rows: int) -> object:
        if n_rows not in inputs:
            inputs.clear()
            inputs[n_rows] = np.resize(rows, (n_rows, rows.shape[1]))
            if isinstance(model, SequenceModel):
                inputs[n_rows] = np.repeat(inputs[n_rows][:, None], model.lookback, axis=1).astype(np.float32)
        if isinstance(model, SequenceModel):
            return model.predict_windows(inputs[n_rows])
        return model.predict(inputs[n_rows])

    return ask


def rows_of_a_long_call(ask: Callable[[int], object]) -> int:
    """Return how many rows take the model about 200 ms."""
    n_rows = FIRST_ROWS
    for _ in range(3):
        ask(n_rows)
        started = time.perf_counter()
        ask(n_rows)
        n_rows = max(1, round(n_rows * CALL_S / (time.perf_counter() - started)))
    ask(n_rows)
    return n_rows


def handling_ms() -> FloatArray:
    """Return from due to handled, for fills and acknowledgements that come at a steady pace."""
    core = plan_of(market(100, 2), 1).core()
    driver, reports = Driver(core, None, strict=True), Reports(core)
    upcoming = iter(())
    times = []
    started = time.perf_counter()
    for number in range(round(PER_SECOND * SECONDS)):
        event = next(upcoming, None)
        if event is None:
            upcoming = iter(reports.next_orders(20))
            event = next(upcoming)
        due = started + number / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
        driver.step(event, AT_NS)
        times.append(time.perf_counter() - due)
    return np.array(times) * 1e3


def beside_inference() -> list[Measured]:
    """The 99th percentile of handling a fill, alone and beside each family's long calls."""
    settle_memory()
    hand_over_soon()
    alone = float(np.percentile(handling_ms(), 99))
    found = [Measured("B2", "fills alone, p99", f"{alone:.3g} ms")]
    for name, ask in calls():
        n_rows, over, n_calls = rows_of_a_long_call(ask), ThreadEvent(), [0]

        def again(ask: Callable[[int], object] = ask, n_rows: int = n_rows, over: ThreadEvent = over) -> None:
            while not over.is_set():
                ask(n_rows)
                n_calls[0] += 1  # noqa: B023  the thread ends before the next family

        with ThreadPoolExecutor(max_workers=1) as thread:
            running = thread.submit(again)
            beside = float(np.percentile(handling_ms(), 99))
            over.set()
            running.result()
        note = f"{n_calls[0]} calls of {n_rows:,} rows, {SECONDS / max(n_calls[0], 1) * 1e3:.0f} ms each"
        found.append(Measured("B2", f"fills beside {name}, p99", f"{beside:.3g} ms", note=note))
    return found
