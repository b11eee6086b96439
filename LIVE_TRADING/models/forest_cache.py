"""Forest tables on file, one .npz per model in the user's private cache, since a run's folder may be read-only.

A file is named by the SHA-256 of the model it was made of and holds the SHA-256 of its own arrays.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np

from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.files import write_atomic_bytes
from LIVE_TRADING.models.forest_tables import ForestTables
from LIVE_TRADING.models.snapshot import Array, decode_arrays, encode_arrays

_LOG = logging.getLogger("live_trading.models")
_FORMAT = 1  # to be raised when the tables, or how a model is read into them, change


def tables_path(folder: Path, model_sha256: str) -> Path:
    """Return the file of a model's tables."""
    return folder / f"{model_sha256}.v{_FORMAT}.npz"


def read_tables(folder: Path, model_sha256: str) -> ForestTables | None:
    """Return the tables of a model, or None if there are none; a file that was altered counts as none and is told."""
    path = tables_path(folder, model_sha256)
    try:
        parts = decode_arrays(path.read_bytes())
        if parts.get("check", {}).get("sha256", np.empty(0)).tobytes() != _digest(parts.get("forest", {})):
            raise ValueError("its SHA-256 is another")
        return ForestTables.from_arrays(parts["forest"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _LOG.warning("%s is not used (%s); the tables are made from the model again", path, error)
        return None


def write_tables(folder: Path, model_sha256: str, tables: ForestTables) -> None:
    """Keep the tables of a model; where that fails, it is told and the next start makes them again."""
    arrays = tables.to_arrays()
    check = {"sha256": np.frombuffer(_digest(arrays), dtype=np.uint8)}
    try:
        write_atomic_bytes(tables_path(folder, model_sha256), encode_arrays({"forest": arrays, "check": check}))
    except StateError as error:
        _LOG.warning("forest tables are not kept: %s", error)


def _digest(arrays: dict[str, Array]) -> bytes:
    """Return the SHA-256 of arrays with their names, types and shapes."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        found.update(f"{name}:{arrays[name].dtype.str}:{arrays[name].shape};".encode())
        found.update(arrays[name].tobytes())
    return found.digest()
