"""Compiles the walks of forests with numba and keeps the machine code.

Nothing is compiled, and numba is not imported, before `load_walk` is called.
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from LIVE_TRADING.models.forest_kernel import lowest_bit, walk_bits, walk_down

_LOG = logging.getLogger("live_trading.models")
Walk = Callable[..., None]
WalkName = Literal["bits", "down"]
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
_ARGUMENTS = {  # numba's types of the tables' arrays, in the order of the walk's arguments
    "bits": "uint64 float64 float64 uint64 float64 uint64 uint64 float64 uint64 uint64",
    "down": "uint64 float64 float64 uint32 float64 uint32 float64 uint64 uint64",
}


@cache
def load_walk(name: WalkName, cache_folder: Path | None) -> Walk:
    """Return a walk compiled; the machine code is kept in `cache_folder`, which only its owner may write.

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
            return _compiled(name, None)
        try:
            return _compiled(name, cache_folder)
        except _DAMAGED as error:
            _LOG.warning("%s: compiled code is not kept or read (%r); remove the folder", cache_folder, error)
            return _compiled(name, None)
    except NumbaError as error:
        raise ValueError(f"numba cannot compile it: {error}") from error


def _compiled(name: WalkName, cache_folder: Path | None) -> Walk:
    """Return a walk compiled for the one kind of arrays that it is called with; it never compiles within a call."""
    import numba

    _register_lowest_bit()
    dispatcher = numba.njit(nogil=True, boundscheck=False)(walk_bits if name == "bits" else walk_down)
    if cache_folder is not None:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(cache_folder)
        try:
            dispatcher.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    vectors = [getattr(numba, kind)[::1] for kind in _ARGUMENTS[name].split()]
    dispatcher.compile(numba.void(numba.float64[:, ::1], *vectors, numba.float64[:, ::1]))
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
