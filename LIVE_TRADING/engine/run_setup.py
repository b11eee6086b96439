"""Opening a run: which artifacts, from where the market memory starts, which bars warm it up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from LIVE_TRADING.common.codec import to_json_value
from LIVE_TRADING.common.config import config_hash
from LIVE_TRADING.common.events import RunStarted
from LIVE_TRADING.common.exceptions import ConfigurationError, ModelLoadError
from LIVE_TRADING.common.fingerprint import code_version, cpu_fingerprint
from LIVE_TRADING.common.horizons import HORIZON_NAMES, INTRADAY_MINUTES
from LIVE_TRADING.common.types import FloatArray, Instrument, RawPredictions, Session
from LIVE_TRADING.common.units import NS_PER_MINUTE, iso_utc, money
from LIVE_TRADING.engine.assembly import TARGET_RULE, Assembly, assemble
from LIVE_TRADING.engine.checkpoint import arrays_name
from LIVE_TRADING.engine.config import EngineConfig
from LIVE_TRADING.engine.core import EngineCore
from LIVE_TRADING.engine.market import MarketMemory
from LIVE_TRADING.engine.rule import TargetRule
from LIVE_TRADING.models.artifacts import memory_config
from LIVE_TRADING.models.features import FeatureBuilder
from LIVE_TRADING.models.loader import ModelLoader
from LIVE_TRADING.models.windows import Windows
from LIVE_TRADING.prediction.predictor import MultiHorizonPredictor

WARMUP_SESSIONS = 10
RULE_FAMILY = "rule"
CENT = Decimal("0.01")
CURRENCY = "USD"


class RunPredictor(Protocol):
    """Forecasts on the run's full grid of horizons and families.

    `windows` (N, L, F), the last feature rows of each symbol, are handed over where the market memory of the run keeps
    them, for models over sequences; elsewhere the argument is left out.
    """

    def predict(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return (H, M, N) of features (F, N), and barrier probabilities (N,) or None."""
        ...

    def predict_block(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return the same of T bar ends of features (T, F, N); `windows` are those of the first bar end."""
        ...


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The data of a run: universe, interval, sessions; `data_hash` is "" for a live feed."""

    symbols: tuple[str, ...]
    interval_ns: int
    calendar: str
    bars_per_session: int
    sessions: tuple[Session, ...]
    data_hash: str = ""


@dataclass(frozen=True, slots=True)
class RunPlan:
    """An opened run, ready to be fed with what arrives in (feed_start, end].

    `barrier_gate_off`: why the barrier gate will judge nothing, "" where it does, or where a predictor of one's own
    decides that.
    """

    run: RunStarted
    assembly: Assembly
    market: MarketMemory
    predictor: RunPredictor | None
    feed_start_ns: int
    end_ns: int
    rule: TargetRule | None = None
    barrier_gate_off: str = ""

    def core(self) -> EngineCore:
        """Return a core at the start of the run."""
        return EngineCore(self.run, self.assembly, self.market)


class _OnGrid:
    """A predictor of some horizons on the run's full grid; the others never have a view."""

    def __init__(self, predictor: MultiHorizonPredictor, horizons: Sequence[str]) -> None:
        self._predictor = predictor
        self._rows = [horizons.index(name) for name in predictor.horizons]
        self._n_horizons = len(horizons)

    def predict(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return (H, M, N)."""
        return self._widen(self._predictor.predict(features, windows))

    def predict_block(self, features: FloatArray, windows: Windows | None = None) -> RawPredictions:
        """Return (T, H, M, N)."""
        return self._widen(self._predictor.predict_block(features, windows))

    @property
    def cheap_calls(self) -> bool:
        """Return whether predicting many bar ends at once saves nothing."""
        return self._predictor.cheap_calls

    def _widen(self, said: RawPredictions) -> RawPredictions:
        raw = said.raw
        wide = np.full((*raw.shape[:-3], self._n_horizons, *raw.shape[-2:]), np.nan)
        wide[..., self._rows, :, :] = raw
        return replace(said, raw=wide)


@dataclass(frozen=True, slots=True)
class _Artifacts:
    horizons: tuple[str, ...]
    families: tuple[str, ...]
    hashes: dict[str, str]
    figures: tuple[FloatArray, FloatArray, FloatArray]
    predictor: RunPredictor | None
    snapshot: Mapping[str, Mapping[str, np.ndarray[Any, Any]]] | None
    until_ns: int | None
    no_barriers: str


def open_run(
    config: EngineConfig,
    data: DataFacts,
    instruments: Mapping[str, Instrument],
    *,
    run_id: str,
    nonce: str,
    account: str,
    start_ns: int | None = None,
    end_ns: int | None = None,
    run_root: Path | None = None,
    predictor: RunPredictor | None = None,
    targets: Sequence[str] | None = None,
    rule: TargetRule | None = None,
) -> RunPlan:
    """Open a run.

    The market memory starts from the artifacts' snapshot, taken at the end of their training data, and steps,
    forecasting but not deciding, to `start_ns`; if that is more than ten sessions later, over the last ten sessions.
    Without artifacts it starts empty, ten sessions before. Without `start_ns` the run decides from the snapshot on. A
    `rule` stands in place of artifacts and predictor.

    Raises
    ------
    ConfigurationError, ModelLoadError
        Data and artifacts do not fit: interval, calendar, symbols, features; or the start precedes the snapshot.
    """
    _check_currency(instruments, data.symbols)
    builder = FeatureBuilder(config.features, len(data.symbols), data.bars_per_session, data.symbols)
    if rule is not None and (run_root is not None or predictor is not None):
        raise ConfigurationError("a rule stands in place of models: give a rule, or models, not both")
    found = _load(run_root, data, builder, predictor, targets, config)
    first_ns, last_ns = data.sessions[0].open_ns, data.sessions[-1].close_ns
    start = start_ns if start_ns is not None else (found.until_ns if found.until_ns is not None else first_ns)
    end = min(end_ns, last_ns) if end_ns is not None else last_ns
    if found.until_ns is not None and start < found.until_ns:
        raise ConfigurationError(
            f"start {iso_utc(start)} is before the end of the training data {iso_utc(found.until_ns)}: decisions there "
            "would be taken by models that have seen the answer; start later or train with an earlier --until"
        )
    if start >= end:
        raise ConfigurationError(f"start {iso_utc(start)} is not before the end of the data {iso_utc(end)}")
    feed_start, from_snapshot = _feed_start(data.sessions, start, found.until_ns)
    run = RunStarted(
        nonce=nonce,
        seed=config.engine.seed,
        run_id=run_id,
        account=account,
        mode=config.engine.mode,
        code_version=code_version(),
        cpu_fingerprint=cpu_fingerprint(),
        config=config.model_dump(mode="json"),
        config_hash=config_hash(config),
        data_hash=data.data_hash,
        calendar=data.calendar,
        interval_ns=data.interval_ns,
        bars_per_session=data.bars_per_session,
        symbols=data.symbols,
        horizons=found.horizons,
        families=found.families if rule is None else (TARGET_RULE,),
        feature_names=builder.names if rule is None else (),
        model_hashes=found.hashes,
        ic_val=_nullable(found.figures[0]),
        n_val=_nullable(found.figures[1]),
        rmse_val=_nullable(found.figures[2]),
        instruments=[to_json_value(instruments[symbol]) for symbol in data.symbols],
        initial_cash=str(money(config.engine.initial_cash_usd, CENT)),
        currency=CURRENCY,
        warmup_until_ns=start,
        market_arrays=arrays_name(0),
        started_ns=feed_start,
        feature_sources=builder.sources,
    )
    assembly = assemble(run)
    market = assembly.market.initial()
    if from_snapshot and found.snapshot is not None:
        market = assembly.market.from_parts(found.snapshot)
    gate_off = found.no_barriers if config.gating.barrier.enabled else "gating.barrier.enabled is false"
    return RunPlan(run, assembly, market, found.predictor, feed_start, end, rule, gate_off)


def _check_currency(instruments: Mapping[str, Instrument], symbols: Sequence[str]) -> None:
    """Refuse symbols quoted in another currency than the account's: nothing converts between them yet."""
    foreign = [
        f"{symbol} ({instruments[symbol].currency})" for symbol in symbols if instruments[symbol].currency != CURRENCY
    ]
    if foreign:
        raise ConfigurationError(
            f"quoted in another currency than the account's {CURRENCY}: {', '.join(foreign)}; leave them out, or "
            "declare an alias (instruments.symbols.<symbol>.currency: USD) where it is worth the same"
        )


def _load(
    run_root: Path | None,
    data: DataFacts,
    features: FeatureBuilder,
    predictor: RunPredictor | None,
    targets: Sequence[str] | None,
    config: EngineConfig,
) -> _Artifacts:
    """Read the artifacts, or describe a run without any: every horizon that the interval can express, one family."""
    if run_root is None:
        horizons = expressible_horizons(data.interval_ns)
        zero, none = np.zeros((len(horizons), 1)), np.full((len(horizons), 1), np.nan)
        no_barriers = "there are no models" if predictor is None else ""
        return _Artifacts(horizons, (RULE_FAMILY,), {}, (zero, zero, none), predictor, None, None, no_barriers)
    loader = ModelLoader(
        run_root,
        interval_ns=data.interval_ns,
        features=features.names,
        symbols=data.symbols,
        memory_config=memory_config(config),
        feature_sources=features.sources,
        compiled=config.engine.compiled_forest,
    )
    found = loader.artifacts
    missing = sorted(set(found.symbols) - set(data.symbols))
    if missing:
        raise ModelLoadError(
            f"{run_root}: trained on {', '.join(missing)} too, which the data lack: forecasts are relative to the "
            "whole universe, so give data of all of it (--symbols restricts what is traded)"
        )
    if found.calendar != data.calendar or found.bars_per_session != data.bars_per_session:
        raise ModelLoadError(
            f"{run_root}: trained on calendar {found.calendar} with {found.bars_per_session} bars a session, the data "
            f"have {data.calendar} with {data.bars_per_session}; use such data or train on these"
        )
    no_barriers = ""
    if predictor is None:
        models = MultiHorizonPredictor(loader, targets=targets)
        predictor, hashes, no_barriers = _OnGrid(models, found.horizons), models.model_hashes(), models.no_barriers
    else:
        hashes = {f"{entry.target}/{entry.family}": entry.meta_sha256 for entry in loader.manifest.models}
    return _Artifacts(
        found.horizons,
        found.families,
        hashes,
        (found.validation.ic, found.validation.n_effective, found.validation.rmse),
        predictor,
        loader.snapshot(),
        found.until_ns,
        no_barriers,
    )


def expressible_horizons(interval_ns: int) -> tuple[str, ...]:
    """Return the horizons that are a whole number of bars."""
    minutes = INTRADAY_MINUTES
    return tuple(
        name for name in HORIZON_NAMES if name not in minutes or (minutes[name] * NS_PER_MINUTE) % interval_ns == 0
    )


def _feed_start(sessions: Sequence[Session], start_ns: int, until_ns: int | None) -> tuple[int, bool]:
    """Return from where the feed starts, and whether the snapshot is where it starts from."""
    before = [session for session in sessions if session.close_ns <= start_ns]
    if until_ns is not None and sum(session.open_ns >= until_ns for session in before) <= WARMUP_SESSIONS:
        return until_ns, True
    warmup = before[-WARMUP_SESSIONS:]
    opened = warmup[0].open_ns if warmup else min(start_ns, sessions[0].open_ns)
    return opened, until_ns is not None


def _nullable(table: FloatArray) -> list[list[float | None]]:
    return [[float(value) if np.isfinite(value) else None for value in row] for row in table]
