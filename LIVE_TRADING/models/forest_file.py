"""The tables of a model's compiled form as a file beside the model: `forest.npz`.

Made in training and checksummed like the model itself, so that a start need not read the trees again. What cannot be
used, of another version for one, is told and made from the model.
"""

from __future__ import annotations

from collections.abc import Sequence

from LIVE_TRADING.models.descent_tables import DescentTables
from LIVE_TRADING.models.forest_tables import MAX_LEAVES, ForestTables
from LIVE_TRADING.models.forest_trees import Forest
from LIVE_TRADING.models.snapshot import decode_arrays, encode_arrays

FOREST_FILE = "forest.npz"
Tables = ForestTables | DescentTables
# what tables are called on file; to be changed with what is in them, or how a model is read into them
_KINDS: dict[str, type[ForestTables] | type[DescentTables]] = {"bits-1": ForestTables, "down-1": DescentTables}


def make_tables(forests: Sequence[Forest], n_features: int) -> Tables:
    """Return the tables of forests: of bits where every tree is narrow enough.

    Raises
    ------
    ValueError
        They are no forests over so many features.
    """
    widest = max((len(tree.leaf) for forest in forests for tree in forest), default=0)
    kind = ForestTables if widest <= MAX_LEAVES else DescentTables
    return kind.of_forests(forests, n_features)


def encode_tables(tables: Tables) -> bytes:
    """Return the file of tables; equal ones give equal bytes."""
    (name,) = (name for name, kind in _KINDS.items() if isinstance(tables, kind))  # order: one fits
    return encode_arrays({name: tables.to_arrays()})


def decode_tables(data: bytes) -> Tables:
    """Return the tables that `encode_tables` wrote.

    Raises
    ------
    ValueError
        The bytes are no such file, or of another version.
    """
    parts = decode_arrays(data)
    if len(parts) != 1 or not parts.keys() <= _KINDS.keys():
        raise ValueError(f"it holds {', '.join(sorted(parts)) or 'nothing'}, and {' or '.join(_KINDS)} is known")
    ((name, arrays),) = parts.items()  # order: there is one
    return _KINDS[name].from_arrays(arrays)
