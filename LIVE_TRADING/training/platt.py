"""Platt's calibration: log odds of an outcome as a straight line of a classifier's margin."""

from __future__ import annotations

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.artifacts import PlattCalibration

_STEPS, _HALVINGS = 100, 40
_TINY = 1e-12


def fit_platt(margin: FloatArray, outcome: FloatArray) -> PlattCalibration:
    """Return the calibration that gives outcomes (R,) of 0 and 1 the least log loss, by Newton's method.

    Platt (1999) with the targets that keep it finite where the classes separate, (n₁ + 1)/(n₁ + 2) and 1/(n₀ + 2), and
    the step control of Lin, Lin & Weng (2007). A negative slope would say that the margin is wrong way round; that is
    noise, so the slope is 0 then and the intercept the log odds of the base rate.
    """
    n_yes = float(outcome.sum())
    n_no = len(outcome) - n_yes
    goal = np.where(outcome > 0.5, (n_yes + 1.0) / (n_yes + 2.0), 1.0 / (n_no + 2.0))
    base = float(np.log((n_yes + 1.0) / (n_no + 1.0)))
    point = np.array([0.0, base])
    loss = _loss(point, margin, goal)
    for _ in range(_STEPS):
        step = _newton_step(point, margin, goal)
        for _ in range(_HALVINGS):
            trial = _loss(point + step, margin, goal)
            if trial < loss:
                break
            step = step / 2.0
        else:
            break
        point, loss = point + step, trial
    slope, intercept = (point[0], point[1]) if point[0] > 0.0 else (0.0, base)
    return PlattCalibration(slope=float(slope), intercept=float(intercept), n=len(outcome))


def _loss(point: FloatArray, margin: FloatArray, goal: FloatArray) -> float:
    log_odds = point[0] * margin + point[1]
    return float((np.logaddexp(0.0, log_odds) - goal * log_odds).sum())


def _newton_step(point: FloatArray, margin: FloatArray, goal: FloatArray) -> FloatArray:
    p = 1.0 / (1.0 + np.exp(-(point[0] * margin + point[1])))
    error, weight = p - goal, p * (1.0 - p)
    along, across = float((weight * margin).sum()), float(weight.sum()) + _TINY
    steep = float((weight * margin * margin).sum()) + _TINY
    slope, level = float((error * margin).sum()), float(error.sum())
    determinant = steep * across - along * along
    step: FloatArray = -np.array([across * slope - along * level, steep * level - along * slope]) / determinant
    return step
