"""Compiles the walks of forests with numba and keeps the machine code.

Nothing is compiled, and numba is not imported, before `load_walk` is called.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal

from LIVE_TRADING.common.kernels import compile_function
from LIVE_TRADING.models import forest_kernel, forest_vectors

Walk = Callable[..., None]
WalkName = Literal["across", "down"]
_ROWS = "float64[:, ::1]"
_SIGNATURES = {  # the fields of the layouts, in order
    "across": [
        *("int64[::1]", "uint16[::1]", "int32[::1]", "float64[::1]", "int64[::1]", "int64[::1]"),
        *("uint32[:, ::1]", "int64[::1]", "float64[::1]", "int64[::1]", "int64[::1]"),
    ],
    "down": [
        *("int64[::1]", "float64[::1]", "float64[::1]", "uint32[::1]", "float64[::1]"),
        *("uint32[::1]", "float64[::1]", "int64[::1]", "int64[::1]"),
    ],
}


@cache
def load_walk(name: WalkName, cache_folder: Path | None) -> Walk:
    """Return a walk compiled; the machine code is kept in `cache_folder`, which only its owner may write.

    Raises
    ------
    ValueError
        It cannot be compiled here.
    """
    forest_vectors.register()
    walk = forest_kernel.walk_across if name == "across" else forest_kernel.walk_down
    signature = f"void({_ROWS}, {', '.join(_SIGNATURES[name])}, {_ROWS})"
    return compile_function(walk, signature, cache_folder and cache_folder / _edition())


@cache
def _edition() -> str:
    """Return a name for the code that walks are compiled of: numba itself looks at the file of the walk alone."""
    files = [Path(str(module.__file__)) for module in (forest_kernel, forest_vectors)]
    return "forest-" + hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()[:16]
