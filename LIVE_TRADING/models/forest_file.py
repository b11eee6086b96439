"""The tables of a model's forests as a file beside the model: `forest.npz`.

Made in training and checksummed like the model itself, so that a start need not read the trees again. What cannot be
used, of another version for one, is told and made from the model.
"""

from __future__ import annotations

from LIVE_TRADING.models.forest_tables import ForestTables
from LIVE_TRADING.models.snapshot import decode_arrays, encode_arrays

FOREST_FILE = "forest.npz"
_VERSION = "forest-2"  # to be changed with what is in the tables, or how a model is read into them


def encode_tables(tables: ForestTables) -> bytes:
    """Return the file of tables; equal ones give equal bytes."""
    return encode_arrays({_VERSION: tables.to_arrays()})


def decode_tables(data: bytes) -> ForestTables:
    """Return the tables that `encode_tables` wrote.

    Raises
    ------
    ValueError
        The bytes are no such file, or of another version.
    """
    parts = decode_arrays(data)
    if list(parts) != [_VERSION]:
        raise ValueError(f"it holds {', '.join(sorted(parts)) or 'nothing'}, and {_VERSION} is known")
    return ForestTables.from_arrays(parts[_VERSION])
