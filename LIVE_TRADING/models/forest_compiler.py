"""Compiles the walks of forests with numba and keeps the machine code.

Nothing is compiled, and numba is not imported, before `load_walk` is called.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal

from LIVE_TRADING.common.kernels import compile_function
from LIVE_TRADING.models.forest_kernel import lowest_bit, walk_bits, walk_down

Walk = Callable[..., None]
WalkName = Literal["bits", "down"]
_ARGUMENTS = {  # numba's types of the tables' arrays, in the order of the walk's arguments
    "bits": "uint64 float64 float64 uint64 float64 uint64 uint64 float64 uint64 uint64",
    "down": "uint64 float64 float64 uint32 float64 uint32 float64 uint64 uint64",
}


@cache
def load_walk(name: WalkName, cache_folder: Path | None) -> Walk:
    """Return a walk compiled; the machine code is kept in `cache_folder`, which only its owner may write.

    Raises
    ------
    ValueError
        It cannot be compiled here.
    """
    _register_lowest_bit()
    vectors = ", ".join(f"{kind}[::1]" for kind in _ARGUMENTS[name].split())
    signature = f"void(float64[:, ::1], {vectors}, float64[:, ::1])"
    return compile_function(walk_bits if name == "bits" else walk_down, signature, cache_folder)


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
