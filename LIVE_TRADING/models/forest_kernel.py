"""The walk of a compiled forest: a plain function that numba compiles, and the place where the result is kept.

Nothing is compiled, and numba is not imported, before `load_walk` is called.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from LIVE_TRADING.common.types import FloatArray
from LIVE_TRADING.models.forest_tables import GREATEST

_LOG = logging.getLogger("live_trading.models")
Walk = Callable[..., None]
# what reading a damaged pickle raises, and numba where a folder cannot be used
_DAMAGED = (
    OSError,
    RuntimeError,
    pickle.UnpicklingError,
    EOFError,
    AttributeError,
    ImportError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)

BLOCK_ROWS = 64
LANES = 8
ZERO_BOUND = float(np.float32(1e-35))  # LightGBM takes what is this near to zero for zero


def walk(
    rows: FloatArray,
    feature: Any,
    at_nan: FloatArray,
    at_zero: FloatArray,
    column: Any,
    threshold: FloatArray,
    keep: Any,
    first_node: Any,
    leaf: FloatArray,
    first_leaf: Any,
    first_tree: Any,
    out: FloatArray,
) -> None:
    """Write the sums (M, R) of M forests over rows (R, F) into `out`; the other arrays are those of `ForestTables`.

    A block of rows goes through all trees before the next one starts: its columns stay in the nearest cache, and each
    node is one comparison and one AND per row without a branch (V-QuickScorer: Lucchese et al. 2016).
    A row's sum runs over its forest's trees in order, whatever block the row stands in.
    """
    n_rows, n_columns, n_forests = rows.shape[0], feature.shape[0], first_tree.shape[0] - 1
    if n_rows == 0:
        return
    n_blocks = (n_rows + BLOCK_ROWS - 1) // BLOCK_ROWS
    per_block = (n_rows + n_blocks - 1) // n_blocks
    lanes = (per_block + LANES - 1) // LANES * LANES
    columns = np.zeros((n_columns, lanes))
    leaves_left = np.empty(lanes, np.uint64)
    total = np.empty(lanes)
    every = np.uint64(0xFFFFFFFFFFFFFFFF)
    for start in range(0, n_rows, per_block):
        count = min(per_block, n_rows - start)
        for c in range(n_columns):
            nan_value, zero_value, f = at_nan[c], at_zero[c], feature[c]
            for i in range(count):
                x = rows[start + i, f]
                if x != x:
                    x = nan_value
                elif abs(x) <= ZERO_BOUND:
                    x = zero_value
                elif x > GREATEST:
                    x = GREATEST
                columns[c, i] = x
        for m in range(n_forests):
            total[:] = 0.0
            for t in range(first_tree[m], first_tree[m + 1]):
                leaves_left[:] = every
                for k in range(first_node[t], first_node[t + 1]):
                    values, bound, mask = columns[column[k]], threshold[k], keep[k]
                    for i in range(lanes):
                        leaves_left[i] &= mask if values[i] > bound else every
                base = first_leaf[t]
                for i in range(count):
                    total[i] += leaf[base + lowest_bit(leaves_left[i])]
            for i in range(count):
                out[m, start + i] = total[i]


def lowest_bit(word: Any) -> int:
    """Return the number of the lowest bit that is set; compiled, it is one instruction."""
    return (int(word) & -int(word)).bit_length() - 1


@cache
def load_walk(cache_folder: Path | None) -> Walk:
    """Return `walk` compiled; the machine code is kept in `cache_folder`, which only its owner may write.

    numba stores it pickled: whoever can write there can run code here. A damaged cache is told and done without.

    Raises
    ------
    ValueError
        It cannot be compiled here.
    """
    import numba
    from numba.core.errors import NumbaError

    if numba.config.DISABLE_JIT:
        raise ValueError("numba is switched off (NUMBA_DISABLE_JIT)")
    try:
        if cache_folder is None:
            return _compiled(None)
        try:
            return _compiled(cache_folder)
        except _DAMAGED as error:
            _LOG.warning("%s: compiled code is not kept or read (%r); remove the folder", cache_folder, error)
            return _compiled(None)
    except NumbaError as error:
        raise ValueError(f"numba cannot compile it: {error}") from error


def _compiled(cache_folder: Path | None) -> Walk:
    """Return `walk` compiled for the one kind of arrays that it is called with; it never compiles within a call."""
    import numba

    _register_lowest_bit()
    dispatcher = numba.njit(nogil=True, boundscheck=False)(walk)
    if cache_folder is not None:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(cache_folder)
        try:
            dispatcher.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    number, count = numba.float64, numba.uint64
    vectors = [count, number, number, count, number, count, count, number, count, count]
    dispatcher.compile(numba.void(number[:, ::1], *(kind[::1] for kind in vectors), number[:, ::1]))
    dispatcher.disable_compile()
    compiled: Walk = dispatcher
    return compiled


@cache
def _register_lowest_bit() -> None:
    """Tell numba that `lowest_bit` is one instruction of the processor."""
    import numba
    from numba.extending import intrinsic, overload

    @intrinsic  # type: ignore[untyped-decorator]
    def trailing_zeros(_context: Any, word: Any) -> Any:
        def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            return builder.cttz(arguments[0], numba.core.cgutils.false_bit)

        return numba.types.uint64(word), build

    @overload(lowest_bit)  # type: ignore[untyped-decorator]
    def compiled_lowest_bit(word: Any) -> Any:
        def implementation(word: Any) -> Any:
            return trailing_zeros(word)

        return implementation
