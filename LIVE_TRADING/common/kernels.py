"""Numeric loops that numba compiles: `@kernel` on a plain function over arrays, and the keeping of machine code.

    @kernel("void(float64[::1], float64[::1])")
    def halve(values: FloatArray, out: FloatArray) -> None: ...

A kernel says the same compiled and interpreted, to the last bit, and on every machine: it adds, subtracts,
multiplies, divides, takes roots and compares, which IEEE 754 rounds in one way only, in an order that is written down.
Logarithms and exponentials, which libraries round differently, are taken by numpy outside. Compiled code does not check
bounds: whoever calls a kernel has checked shapes. The interpreter's lock is released meanwhile.

numba is imported at the first call, or by `compile_all` at a start, so that no cycle waits for a compiler.
"""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar

import numpy as np

from LIVE_TRADING.common.private_cache import private_cache

READ = "Array(float64, 1, 'C', readonly=True)"  # in a signature: a vector that is only read, such as a bar's prices
_LOG = logging.getLogger("live_trading.kernels")
P = ParamSpec("P")
R = TypeVar("R")
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
EXPLAINED_AFTER_S = (
    2.0  # spent on compiling; reading from the cache is never explained, however long a busy machine takes
)
_KERNELS: list[Kernel[Any, Any]] = []


class Kernel(Generic[P, R]):
    """A function over arrays, compiled for one signature at its first call; interpreted where numba cannot."""

    def __init__(self, function: Callable[P, R], signature: str) -> None:
        self.interpreted = function
        self.signature = signature
        self.__doc__ = function.__doc__
        self.__name__ = function.__name__
        self._code: Callable[P, R] | None = None
        _KERNELS.append(self)

    if TYPE_CHECKING:

        def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
            """Run it, compiled."""
    else:

        def __call__(self, *args):
            """Run it, compiled; arguments by position alone: taking names as well would cost as much as the call."""
            return (self._code or self.compiled())(*args)

    def compiled(self) -> Callable[P, R]:
        """Return what runs: machine code, or the function itself where numba is switched off or cannot."""
        if self._code is None:
            try:
                self._code = compile_function(self.interpreted, self.signature, code_folder())
            except (ValueError, ImportError) as error:
                _LOG.warning("%s is interpreted, which is slow: %s", self.__name__, error)
                self._code = np.errstate(all="ignore")(self.interpreted)  # compiled code does not warn either
        return self._code


def kernel(signature: str) -> Callable[[Callable[P, R]], Kernel[P, R]]:
    """Make a kernel of a function; `signature` in numba's words, such as "void(float64[:, ::1], int64)"."""
    return lambda function: Kernel(function, signature)


def compile_all() -> None:
    """Compile, or read from the cache, every kernel of the modules that are imported; long compiling is explained."""
    compiling_s, told = 0.0, False
    for number, each in enumerate(_KERNELS):
        if not told and compiling_s > EXPLAINED_AFTER_S:
            _LOG.warning(
                "compiling up to %d numeric kernels takes half a minute, once: they are kept in %s",
                len(_KERNELS) - number,
                code_folder() or "no folder, so every start takes as long",
            )
            told = True
        started = time.monotonic()
        if not _is_cached(each.compiled()):
            compiling_s += time.monotonic() - started


def _is_cached(code: Callable[..., Any]) -> bool:
    """Return whether a kernel's code came from the cache, or is none that was compiled."""
    stats = getattr(code, "stats", None)  # numba's count of what its cache had and had not
    return stats is None or not any(stats.cache_misses.values())


def code_folder() -> Path | None:
    """Return the private folder of machine code, or None where there cannot be one."""
    try:
        return private_cache("numba")
    except OSError as error:
        _LOG.warning("compiled code is not kept between starts: %s", error)
        return None


def compile_function(function: Callable[P, R], signature: str, folder: Path | None) -> Callable[P, R]:
    """Return a function compiled for one signature; the machine code is kept in `folder`, which only its owner writes.

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
        if folder is None:
            return _compiled(function, signature, None)
        try:
            return _compiled(function, signature, folder)
        except _DAMAGED as error:
            _LOG.warning("%s: compiled code is not kept or read (%r); remove the folder", folder, error)
            return _compiled(function, signature, None)
    except NumbaError as error:
        raise ValueError(f"numba cannot compile it: {error}") from error


def _compiled(function: Callable[P, R], signature: str, folder: Path | None) -> Callable[P, R]:
    import numba

    dispatcher = numba.njit(nogil=True, boundscheck=False, error_model="numpy")(function)
    if folder is not None:
        before = numba.config.CACHE_DIR
        numba.config.CACHE_DIR = str(folder)
        try:
            dispatcher.enable_caching()
        finally:
            numba.config.CACHE_DIR = before
    dispatcher.compile(signature)
    dispatcher.disable_compile()  # other arrays than those of the signature are an error, not a pause
    code: Callable[P, R] = dispatcher
    return code
