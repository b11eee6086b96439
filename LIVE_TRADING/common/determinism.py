"""Reproducibility bootstrap: fixed thread counts and seeds, sorted iteration.

`import LIVE_TRADING` runs `repro_bootstrap` before anything else of the package is imported. Thread counts of the
numeric libraries are read by them when they are loaded, so a bootstrap that runs after numpy is said to be late.
"""

from __future__ import annotations

import os
import random
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

K = TypeVar("K")
V = TypeVar("V")

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
DEFAULT_SEED = 7

_state: dict[str, Any] = {"done": False, "late": False}


def repro_bootstrap(*, seed: int = DEFAULT_SEED, threads: int = 1) -> bool:
    """Fix thread counts and the seeds of the global generators; return whether it came in time.

    Thread counts that the environment already sets are kept. Nothing of ours draws from the global generators; they are
    seeded so that a library that does is repeatable too.
    """
    if _state["done"]:
        return not _state["late"]
    unset = [name for name in THREAD_VARIABLES if name not in os.environ]
    late = "numpy" in sys.modules and bool(unset)
    for name in unset:
        os.environ[name] = str(threads)
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    _state.update(done=True, late=late)
    if late:
        warnings.warn(
            "LIVE_TRADING was imported after numpy: thread counts of the numeric libraries are as numpy found them. "
            "Import LIVE_TRADING first, or set OMP_NUM_THREADS and OPENBLAS_NUM_THREADS.",
            RuntimeWarning,
            stacklevel=3,
        )
    return not late


def sorted_items(mapping: Mapping[K, V]) -> list[tuple[K, V]]:
    """Return the items of a mapping in the order of its keys."""
    return sorted(mapping.items(), key=lambda item: item[0])  # type: ignore[arg-type, return-value]


def iterdir_sorted(folder: Path) -> Iterator[Path]:
    """Yield the entries of a folder by name."""
    yield from sorted(folder.iterdir(), key=lambda path: path.name)


def glob_sorted(folder: Path, pattern: str) -> Iterator[Path]:
    """Yield the matches of a pattern by their path."""
    yield from sorted(folder.glob(pattern), key=lambda path: path.as_posix())
