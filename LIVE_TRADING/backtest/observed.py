"""What a run knew, forecast and decided at chosen instants, kept so that two runs can be compared number by number."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from LIVE_TRADING.common.events import PredictionsReady, Stamped
from LIVE_TRADING.common.types import BAR_FIELDS, FloatArray
from LIVE_TRADING.common.units import plain
from LIVE_TRADING.engine.commands import AccountMarked, Command, CycleDecided, RunInference
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.cycle import STAGES, CycleResult
from LIVE_TRADING.engine.digest import order_line, rejection_line

BARS, FEATURES, MARKET, FORECASTS, ACCOUNT, ORDERS, RUN = (
    "bars",
    "features",
    "market",
    "forecasts",
    "account",
    "orders",
    "run",
)
# in the order in which one follows from the other; in the middle the stages of a decision
OBSERVED = (BARS, FEATURES, MARKET, FORECASTS, ACCOUNT, *STAGES, ORDERS, RUN)


def canonical(values: FloatArray) -> FloatArray:
    """Return a copy as float64 with one NaN pattern and −0 as +0."""
    own = np.array(values, dtype=np.float64) + 0.0
    np.copyto(own, np.nan, where=own != own)
    return own


@dataclass(slots=True)
class Observation:
    """One cycle: by stage and name rows of numbers, (N,) or (1,), and texts (orders, amounts, digests)."""

    instant_ns: int
    rows: dict[str, dict[str, FloatArray]] = field(default_factory=dict)
    texts: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Return whether the cycle went on to its decision."""
        return ORDERS in self.texts

    def add(self, stage: str, name: str, values: Any) -> None:
        """Keep a copy of a row of numbers, bits canonical."""
        self.rows.setdefault(stage, {})[name] = canonical(np.atleast_1d(np.asarray(values, dtype=np.float64)))


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two runs part: the first stage, what in it, of which symbol ("": not of one), and both values."""

    instant_ns: int
    stage: str
    name: str
    symbol: str
    whole: str
    cut: str


class Watch:
    """An observer of a run's core that keeps an `Observation` of each cycle at one of the instants."""

    def __init__(self, core: EngineCore) -> None:
        self._core = core
        self._wanted: frozenset[int] = frozenset()
        self.seen: dict[int, Observation] = {}

    def look_at(self, instants_ns: Collection[int]) -> None:
        """Choose the instants, before the run begins."""
        self._wanted = frozenset(instants_ns)

    def __call__(self, stamped: Stamped, commands: Sequence[Command]) -> None:
        """Take an event and what followed from it."""
        if isinstance(stamped.event, PredictionsReady) and stamped.event.cycle_time_ns in self._wanted:
            self._forecasts(self._at(stamped.event.cycle_time_ns), stamped.event)
        for command in commands:
            if isinstance(command, RunInference) and command.cycle_time_ns in self._wanted:
                self._market(self._at(command.cycle_time_ns), command)
            elif isinstance(command, AccountMarked) and command.time_ns in self._wanted:
                self._at(command.time_ns).texts[ACCOUNT] = {
                    "cash": plain(command.cash),
                    "equity": plain(command.equity),
                }
            elif isinstance(command, CycleDecided) and command.result.scheduled_time_ns in self._wanted:
                self._decision(self._at(command.result.scheduled_time_ns), command.result)

    def _at(self, instant_ns: int) -> Observation:
        return self.seen.setdefault(instant_ns, Observation(instant_ns))

    def _market(self, kept: Observation, command: RunInference) -> None:
        """Keep bars, features and volatility as of the cycle's trigger."""
        for name in BAR_FIELDS:
            kept.add(BARS, name, getattr(command.bars, name))
        for name, values in zip(self._core.run.feature_names, command.features, strict=True):
            kept.add(FEATURES, name, values)
        pending = self._core.state.pending
        if pending is not None:
            for name, values in _labelled(pending.view, ("sigma_bps", "sigma_day_bps", "adv_usd"), self._labels):
                kept.add(MARKET, name, values)

    def _forecasts(self, kept: Observation, event: PredictionsReady) -> None:
        for name, values in _labelled(event, ("raw", "p_peak", "p_valley"), self._labels):
            kept.add(FORECASTS, name, values)

    def _decision(self, kept: Observation, result: CycleResult) -> None:
        trace = result.trace
        if trace is None:
            return
        *with_record, risk = STAGES
        records = (trace.predictions, trace.blend, trace.arbitration, trace.barrier, trace.spread, trace.sizing)
        for stage, record in zip(with_record, records, strict=True):
            for name, values in _labelled(record, tuple(record.to_dict()), self._labels):
                kept.add(stage, name, values)
        kept.add(risk, "reason", trace.risk_reason)
        lines = [*map(order_line, result.orders), *map(rejection_line, result.rejections)]
        kept.texts[ORDERS] = {"orders": "; ".join(lines), "decision digest": result.decision_digest}
        kept.texts[RUN] = self._core.state.digest.texts()

    @property
    def _labels(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self._core.run.horizons, self._core.run.families


def _labelled(
    record: Any, names: Sequence[str], labels: tuple[tuple[str, ...], tuple[str, ...]]
) -> Iterator[tuple[str, FloatArray]]:
    """Yield the rows of a record's arrays: of (H, M, N) and (H, N) one per model or horizon, of (H, M) each number."""
    horizons, families = labels
    for name in names:
        array = getattr(record, name)
        if not isinstance(array, np.ndarray):
            continue
        if array.ndim == 1:
            yield name, array
            continue
        by_family = array.shape[:2] == (len(horizons), len(families)) and (array.ndim == 3 or name in ("ic", "weights"))
        for h, horizon in enumerate(horizons):
            if by_family:
                for m, family in enumerate(families):
                    yield f"{name} {horizon}/{family}", array[h, m]
            else:
                yield f"{name} {horizon}", array[h]


def differences(whole: Observation, cut: Observation, symbols: Sequence[str]) -> list[Difference]:
    """Return what differs between two observations of one instant, in the order in which one follows from the other.

    Bit for bit, save that any NaN equals any and −0 equals +0; of a row, the first symbol in which it differs.
    """
    found = []
    for stage in OBSERVED:
        rows, others = whole.rows.get(stage, {}), cut.rows.get(stage, {})
        for name in {**rows, **others}:  # order: as they were kept
            symbol, values = _first_parting(rows.get(name), others.get(name), symbols)
            if values is not None:
                found.append(Difference(whole.instant_ns, stage, name, symbol, *values))
        texts, other_texts = whole.texts.get(stage, {}), cut.texts.get(stage, {})
        for name in {**texts, **other_texts}:  # order: as they were kept
            ours, theirs = texts.get(name, "not there"), other_texts.get(name, "not there")
            if ours != theirs:
                found.append(Difference(whole.instant_ns, stage, name, "", ours, theirs))
    return found


def _first_parting(
    ours: FloatArray | None, theirs: FloatArray | None, symbols: Sequence[str]
) -> tuple[str, tuple[str, str] | None]:
    """Return the first symbol in which two rows differ, and both values; None: they do not."""
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return "", ("there" if ours is not None else "not there", "there" if theirs is not None else "not there")
    parting = np.flatnonzero(ours.view(np.int64) != theirs.view(np.int64))
    if not len(parting):
        return "", None
    column = int(parting[0])
    symbol = symbols[column] if len(ours) == len(symbols) else ""
    return symbol, (repr(float(ours[column])), repr(float(theirs[column])))
