"""Weights of the model families at each horizon: ridge-regularised mean-variance weights, long only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig
from LIVE_TRADING.common.types import FloatArray

Row = list[float]


class RidgeConfig(FrozenConfig):
    """How families are weighted. `mode: equal` is the named neutral."""

    mode: Literal["ridge", "equal"] = Field(
        "ridge", description="ridge: weights by evidence and covariance; equal: the same weight for every family"
    )
    ridge_lambda: float = Field(
        0.15, ge=0.0, le=100.0, description="λ_rel: ridge as a multiple of the mean variance of the forecasts"
    )


class RidgeWeightCalculator:
    """w = max(0, (Σ + λI)⁻¹ μ), normalised to 1; λ = λ_rel · tr(Σ)/M.

    μ    evidence of skill per family, its information coefficient (NaN: the family is left out)
    Σ    forecast P&L covariance: mean of z zᵀ over symbols and the lagged window
    λ    ridge: shrinks Σ towards a multiple of the identity (Hoerl & Kennard 1970; Ledoit & Wolf 2004)
    M    families that take part at that horizon

    (Σ + λI)⁻¹ μ is the mean-variance portfolio of the families (Markowitz 1952). The system is solved by Cholesky in
    plain floats: for the handful of families there are, that is as fast as LAPACK and gives the same bits with every
    build of it.

    A family whose own variance is NaN is left out; two families that were never seen together (NaN between them)
    count as uncorrelated. Where no family has a variance, which is the warm-up, Σ is taken as the identity: weights ∝
    μ. No positive component, or a matrix that is not positive definite, gives weights of zero: no evidence, no
    position.
    """

    def __init__(self, config: RidgeConfig) -> None:
        self._equal = config.mode == "equal"
        self._lambda_rel = config.ridge_lambda

    def weights(self, mu: FloatArray, covariance: FloatArray) -> FloatArray:
        """Return weights (H, M), each row non-negative with sum 1 or all 0, from μ (H, M) and Σ (H, M, M)."""
        rows = zip(mu.tolist(), covariance.tolist(), strict=True)
        return np.array([self._one_horizon(evidence, sigma) for evidence, sigma in rows], dtype=np.float64)

    def _one_horizon(self, mu: Row, covariance: list[Row]) -> Row:
        n_all = len(mu)
        finite = math.isfinite
        rated = [m for m in range(n_all) if finite(mu[m])]
        if self._equal:
            return _normalised(dict.fromkeys(rated, 1.0), n_all)
        seen = [m for m in rated if finite(covariance[m][m])]
        if seen:
            matrix = [[covariance[i][j] if finite(covariance[i][j]) else 0.0 for j in seen] for i in seen]
        else:
            seen = rated
            matrix = [[1.0 if i == j else 0.0 for j in seen] for i in seen]
        if not seen:
            return [0.0] * n_all
        ridge = self._lambda_rel * sum(matrix[k][k] for k in range(len(seen))) / len(seen)
        for k in range(len(seen)):
            matrix[k][k] += ridge
        solution = solve_positive_definite(matrix, [mu[m] for m in seen])
        return _normalised(dict(zip(seen, solution, strict=True)) if solution else {}, n_all)


def _normalised(raw: dict[int, float], n_all: int) -> Row:
    positive = {m: value for m, value in raw.items() if value > 0.0}
    total = math.fsum(positive.values())
    if not 0.0 < total < math.inf:
        return [0.0] * n_all
    return [positive[m] / total if m in positive else 0.0 for m in range(n_all)]


def solve_positive_definite(matrix: Sequence[Sequence[float]], rhs: Sequence[float]) -> Row | None:
    """Return x with matrix · x = rhs by Cholesky, or None if the (symmetric) matrix is not positive definite.

    Golub & Van Loan, Matrix Computations, 4.2: L row by row, then L y = b, then Lᵀ x = y.
    """
    lower: list[Row] = []
    y: Row = []
    for i, matrix_row in enumerate(matrix):
        row: Row = []
        for j in range(i):
            above = lower[j]
            row.append((matrix_row[j] - _dot(row, above, j)) / above[j])
        pivot = matrix_row[i] - _dot(row, row, i)
        if not pivot > 0.0:
            return None
        row.append(math.sqrt(pivot))
        lower.append(row)
        y.append((rhs[i] - _dot(row, y, i)) / row[i])
    x = y
    for i in range(len(y) - 1, -1, -1):
        rest = x[i]
        for k in range(i + 1, len(y)):
            rest -= lower[k][i] * x[k]
        x[i] = rest / lower[i][i]
    return x


def _dot(left: Row, right: Row, count: int) -> float:
    total = 0.0
    for k in range(count):
        total += left[k] * right[k]
    return total
