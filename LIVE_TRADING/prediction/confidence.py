"""Confidence of a forecast: how good its kind has been, how fresh and how tradable it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.array_record import ArrayRecord
from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.horizons import Horizon
from LIVE_TRADING.common.types import BoolArray, FloatArray, IntArray
from LIVE_TRADING.common.units import NS_PER_MINUTE
from LIVE_TRADING.models.artifacts import ValidationFigures
from LIVE_TRADING.prediction.skill_state import SkillFigures


class ConfidenceConfig(FrozenConfig):
    """Constants of the confidence score; a term that is off counts 1."""

    prior_cross_sections: float = Field(100.0, ge=0, description="n0: weight of the prior that a forecast is worthless")
    capacity_adv_frac: float = Field(0.01, gt=0, le=1, description="κ: share of ADV that can be traded without care")
    min_matured: int = Field(100, ge=1, description="least matured values for stability to move")
    max_age_bars: float = Field(2.0, gt=0, description="an older newest bar is no view")
    freshness: bool = Field(True, description="exp(−age/h); off: 1, and the age limit remains")
    capacity: bool = Field(True, description="min(1, κ·ADV/planned); off: 1")
    stability: bool = Field(True, description="min(1, RMSE_val/RMSE_live); off: 1")


@dataclass(frozen=True, slots=True, eq=False)
class Credit(ArrayRecord):
    """The terms of confidence that change once per session: shrunk IC and stability, each (H, M) in [0, 1]."""

    ic: FloatArray
    stability: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ConfidenceResult:
    """`ic` (H, M) in [0, 1]; `confidence` (H, M, N), NaN: no view; `stale` (N,) newest bar too old."""

    ic: FloatArray
    confidence: FloatArray
    stale: BoolArray


class ConfidenceScorer:
    """c = IC · freshness · capacity · stability, each in [0, 1].

    IC         max(0, (n·IC_live + n_v·IC_val)/(n + n_v + n0)): shrunk to zero by a prior worth n0 = 100 cross-sections
    n, n_v     effective cross-sections behind IC_live (ten sessions before today) and IC_val (training)
    freshness  exp(−age/h), age from the end of the symbol's newest bar to the scheduled time, h in session minutes;
               beyond 2 bars NaN: no view
    capacity   min(1, κ·ADV/planned), planned the order's notional; planned 0 gives 1, unknown ADV NaN
    stability  min(1, RMSE_val/RMSE_live), 1 until 100 values have matured

    A model without validation figures (NaN) counts as IC_val = 0 with n_v = 0, so it has to earn its IC live; without
    RMSE_val there is nothing to compare with and stability is 1.
    """

    def __init__(
        self,
        config: ConfidenceConfig,
        horizons: tuple[Horizon, ...],
        interval_ns: int,
        validation: ValidationFigures,
    ) -> None:
        self._config = config
        self._horizon_ns = np.array([[float(horizon.session_minutes * NS_PER_MINUTE)] for horizon in horizons])
        self._max_age_ns = config.max_age_bars * interval_ns
        evident = np.isfinite(validation.ic) & np.isfinite(validation.n_effective)
        self._n_val = np.where(evident, validation.n_effective, 0.0)
        self._evidence_val = np.where(evident, validation.n_effective * validation.ic, 0.0)
        self._rmse_val = validation.rmse

    def credit(self, live: SkillFigures) -> Credit:
        """Return what validation and the live window before today say; it holds for a session."""
        evidence = np.where(np.isnan(live.ic), 0.0, live.n_effective * live.ic) + self._evidence_val
        n = live.n_effective + self._n_val + self._config.prior_cross_sections
        return Credit(np.maximum(evidence, 0.0) / np.where(n > 0, n, 1.0), self._stability(live))

    def score(self, credit: Credit, age_ns: IntArray, adv_usd: FloatArray, planned_usd: float) -> ConfidenceResult:
        """Return IC and confidence.

        Parameters
        ----------
        credit
            Of the session under way.
        age_ns
            (N,) scheduled time less the end of each symbol's newest bar.
        adv_usd
            (N,) lagged average daily volume.
        planned_usd
            Notional of one planned order.
        """
        level, capacity = credit.ic * credit.stability, self._capacity(adv_usd, planned_usd)
        if not age_ns.any():  # every bar has just ended, as in most cycles: freshness is 1
            return ConfidenceResult(credit.ic, level[:, :, None] * capacity, np.zeros(age_ns.shape, dtype=np.bool_))
        stale = age_ns > self._max_age_ns
        per_symbol = self._freshness(age_ns, stale) * capacity
        return ConfidenceResult(credit.ic, level[:, :, None] * per_symbol[:, None, :], stale)

    def _freshness(self, age_ns: IntArray, stale: BoolArray) -> FloatArray:
        """Return (H, N)."""
        if not self._config.freshness:
            return np.where(stale, np.nan, np.ones_like(self._horizon_ns))
        return np.where(stale, np.nan, np.exp(-age_ns / self._horizon_ns))

    def _capacity(self, adv_usd: FloatArray, planned_usd: float) -> FloatArray:
        """Return (N,)."""
        if not self._config.capacity or planned_usd <= 0:
            return np.ones_like(adv_usd)
        return np.minimum(1.0, self._config.capacity_adv_frac * adv_usd / planned_usd)

    def _stability(self, live: SkillFigures) -> FloatArray:
        """Return (H, M)."""
        if not self._config.stability:
            return np.ones_like(self._rmse_val)
        judged = (live.n_matured >= self._config.min_matured) & (live.rmse > 0) & np.isfinite(self._rmse_val)
        ratio = self._rmse_val / np.where(judged, live.rmse, 1.0)
        return np.where(judged, np.minimum(1.0, ratio), 1.0)
