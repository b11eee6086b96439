"""Kernels compiled against the same functions interpreted."""

from __future__ import annotations

from typing import Any

import numpy as np

from LIVE_TRADING.common.kernels import Kernel
from LIVE_TRADING.common.types import FloatArray

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0)


def awkward(rng: np.random.Generator, shape: tuple[int, ...], share: float = 0.2) -> FloatArray:
    """Return numbers of any size and sign, some of them NaN, infinite or zero of either sign, some equal."""
    values = rng.standard_normal(shape) * 10.0 ** rng.integers(-6, 7, shape)
    values = np.where(rng.random(shape) < share, rng.choice(values.reshape(-1), shape), values)
    return np.where(rng.random(shape) < share, rng.choice(SPECIAL, shape), values)


def assert_same_interpreted(kernel: Kernel[Any, Any], *args: Any) -> None:
    """Run a kernel compiled and interpreted on copies of the arguments: what it returns and writes has the same bits.

    One NaN counts as any other: which of two operands' NaNs survives is the processor's choice.
    """
    assert kernel.compiled() is not kernel.interpreted
    compiled, interpreted = ([np.copy(a) if isinstance(a, np.ndarray) else a for a in args] for _ in range(2))
    said = kernel(*compiled)
    with np.errstate(all="ignore"):
        assert kernel.interpreted(*interpreted) == said
    for number, (ours, theirs) in enumerate(zip(compiled, interpreted, strict=True)):
        if isinstance(ours, np.ndarray):
            assert bits(ours) == bits(theirs), f"argument {number}"


def bits(array: np.ndarray) -> bytes:
    """Return an array's bytes, every NaN the same."""
    return (np.where(np.isnan(array), np.nan, array) if array.dtype.kind == "f" else array).tobytes()
