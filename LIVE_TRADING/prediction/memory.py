"""Prediction stage: raw model outputs in, scored and weighed forecasts out; all its memory in one record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.array_record import ArrayMap, under_prefix, with_prefix
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.kernels import kernel
from LIVE_TRADING.common.reasons import Reason
from LIVE_TRADING.common.types import AllPredictions, BarBatch, BoolArray, CodeArray, FloatArray, IntArray
from LIVE_TRADING.models.artifacts import ValidationFigures
from LIVE_TRADING.prediction.confidence import ConfidenceConfig, ConfidenceScorer, Credit
from LIVE_TRADING.prediction.skill import SkillConfig, SkillTracker
from LIVE_TRADING.prediction.skill_state import SkillState, skill_from_arrays, skill_to_arrays
from LIVE_TRADING.prediction.standardizer import (
    StandardizerConfig,
    StandardizerState,
    check_interval,
    make_standardizer,
)

_OK, _NO_FORECAST, _Z_WARMING_UP = int(Reason.OK), int(Reason.NO_FORECAST), int(Reason.Z_WARMING_UP)
_STALE_FEATURES, _COST_UNKNOWN = int(Reason.STALE_FEATURES), int(Reason.COST_UNKNOWN)


class PredictionConfig(FrozenConfig):
    """The prediction stage."""

    standardizer: StandardizerConfig = StandardizerConfig()
    skill: SkillConfig = SkillConfig()
    confidence: ConfidenceConfig = ConfidenceConfig()


@dataclass(frozen=True, slots=True, eq=False)
class ForecastMemory:
    """What the stage remembers: windows of z, what past forecasts were worth, and the credit that gives them today."""

    standardizer: StandardizerState
    skill: SkillState
    credit: Credit

    def to_arrays(self) -> ArrayMap:
        """Return the memory as a flat mapping of arrays."""
        n_horizons, n_families, n_symbols = self.standardizer.today_count.shape
        return {
            **with_prefix("standardizer", self.standardizer.to_arrays()),
            **with_prefix("skill", skill_to_arrays(self.skill, (n_horizons, n_families, n_symbols))),
            **with_prefix("credit", self.credit.to_arrays()),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the memory whose `to_arrays` gave these arrays."""
        return cls(
            StandardizerState.from_arrays(under_prefix("standardizer", arrays)),
            skill_from_arrays(under_prefix("skill", arrays)),
            Credit.from_arrays(under_prefix("credit", arrays)),
        )


class ForecastModel:
    """The prediction stage over its memory, for a fixed universe, set of horizons and of model families.

    Per session `open_session`; per bar end `on_bars` at the trigger, then `forecast` when the raw outputs are there. A
    cycle without outputs has no `forecast` and needs nothing else. Every method returns a new memory; the one passed in
    stays valid.
    """

    def __init__(
        self,
        config: PredictionConfig,
        horizons: tuple[Horizon, ...],
        families: tuple[str, ...],
        n_symbols: int,
        bars_per_session: int,
        interval_ns: int,
        validation: ValidationFigures,
        overnight: bool = True,
    ) -> None:
        check_interval(bars_per_session, interval_ns, config.standardizer)
        self._horizons = tuple(horizon.name for horizon in horizons)
        self._families = families
        self._shape = (len(horizons), len(families), n_symbols)
        self._standardizer = make_standardizer(config.standardizer, *self._shape)
        self._skill = SkillTracker(
            config.skill,
            horizons,
            len(families),
            n_symbols,
            bars_per_session,
            z_max=config.standardizer.z_max,
            overnight=overnight,
        )
        self._scorer = ConfidenceScorer(config.confidence, horizons, interval_ns, validation)

    def initial(self) -> ForecastMemory:
        """Return the memory before the first forecast."""
        skill = self._skill.initial()
        return ForecastMemory(self._standardizer.initial(), skill, self._scorer.credit(skill.window.live))

    def fresh_skill(self, memory: ForecastMemory) -> ForecastMemory:
        """Return the memory a run starts from: z windows and Σ kept, IC and RMSE trackers empty."""
        skill = self._skill.without_evidence(memory.skill)
        return ForecastMemory(memory.standardizer, skill, self._scorer.credit(skill.window.live))

    def open_session(self, memory: ForecastMemory, session: int | None = None) -> ForecastMemory:
        """Return the memory at the start of a session; lagged figures are renewed here and nowhere else.

        `session` is its number in the calendar; where it is given, 1d forecasts do not mature across a gap.
        """
        standardizer = self._standardizer.open_session(memory.standardizer)
        skill = self._skill.open_session(memory.skill, session)
        return ForecastMemory(standardizer, skill, self._scorer.credit(skill.window.live))

    def on_bars(self, memory: ForecastMemory, bars: BarBatch, slot: int, n_bars_session: int) -> ForecastMemory:
        """Return the memory after the bars of one bar end: what matures is scored. Before the forecast of that bar."""
        skill = self._skill.mature(memory.skill, bars, slot, n_bars_session)
        return ForecastMemory(memory.standardizer, skill, memory.credit)

    def forecast(
        self,
        memory: ForecastMemory,
        raw: FloatArray,
        slot: int,
        sigma_bps: FloatArray,
        age_ns: IntArray,
        adv_usd: FloatArray,
        planned_usd: float,
    ) -> tuple[ForecastMemory, AllPredictions]:
        """Return the memory with this forecast in it, and the stage's record.

        Parameters
        ----------
        raw
            (H, M, N) model outputs in units of σ_h; NaN or infinite: none.
        slot
            Bar of the session at whose end the forecast is made.
        sigma_bps
            (H, N) volatility over each horizon as of that bar.
        age_ns
            (N,) scheduled time less the end of each symbol's newest bar.
        adv_usd, planned_usd
            (N,) lagged average daily volume, and the notional of one planned order.
        """
        if raw.shape != self._shape:
            raise ValueError(
                f"raw forecasts of shape {raw.shape}, expected (horizons, families, symbols) {self._shape}"
            )
        relative = self._standardizer.relative(raw)
        standardizer, z = self._standardizer.score(memory.standardizer, relative)
        scored = self._scorer.score(memory.credit, age_ns, adv_usd, planned_usd)
        skill = self._skill.observe(memory.skill, z, relative, sigma_bps, slot)
        calibrated, reason = np.empty(self._shape), np.empty(self._shape[-1], dtype=np.int16)
        calibrate(relative, z, scored.confidence, scored.stale, calibrated, reason)
        predictions = AllPredictions(
            horizons=self._horizons,
            families=self._families,
            raw=raw,
            z=z,
            ic=scored.ic,
            confidence=scored.confidence,
            calibrated=calibrated,
            reason=reason,
        )
        return ForecastMemory(standardizer, skill, memory.credit), predictions

    def forecast_covariance(self, memory: ForecastMemory) -> FloatArray:
        """Return Σ (H, M, M), mean of z zᵀ over symbols and the ten sessions before today; NaN: no forecasts."""
        return memory.skill.window.covariance

    def validation_figures(self, memory: ForecastMemory) -> ValidationFigures:
        """Return IC, effective cross-sections and RMSE of every forecast since the memory began, today included.

        Training feeds out-of-fold forecasts through this model and stores these figures with the artifacts.
        """
        figures = self._skill.lifetime(memory.skill)
        return ValidationFigures(np.nan_to_num(figures.ic), figures.n_effective, figures.rmse)


@kernel(
    "void(float64[:, :, ::1], float64[:, :, ::1], float64[:, :, ::1], boolean[::1], float64[:, :, ::1], int16[::1])"
)
def calibrate(
    relative: FloatArray, z: FloatArray, confidence: FloatArray, stale: BoolArray, out: FloatArray, reason: CodeArray
) -> None:
    """Write calibrated scores z · c (H, M, N), and per symbol (N,) why it has no view, the first cause first.

    A symbol whose newest bar is too old has none; otherwise one with a finite score has one, one with a z alone lacks a
    confidence, one with a forecast alone a window.
    """
    reason[:] = 0  # how far the symbol's best forecast came
    for h in range(z.shape[0]):
        for m in range(z.shape[1]):
            forecast, score, weight, calibrated = relative[h, m], z[h, m], confidence[h, m], out[h, m]
            for i in range(stale.shape[0]):
                calibrated[i] = score[i] * weight[i]
            for i in range(stale.shape[0]):
                came = np.int16(abs(forecast[i]) < np.inf)
                came = np.int16(2) if abs(score[i]) < np.inf else came
                came = np.int16(3) if abs(calibrated[i]) < np.inf else came
                reason[i] = came if came > reason[i] else reason[i]
    for i in range(stale.shape[0]):
        if stale[i]:
            reason[i] = _STALE_FEATURES
        elif reason[i] == 0:
            reason[i] = _NO_FORECAST
        elif reason[i] == 1:
            reason[i] = _Z_WARMING_UP
        elif reason[i] == 2:
            reason[i] = _COST_UNKNOWN
        else:
            reason[i] = _OK
