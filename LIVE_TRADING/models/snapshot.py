"""Named arrays as one .npz file whose bytes depend on the arrays alone; nothing pickled is written or read.

A market memory is a handful of records (features, volatility, ADV, forecasts), each a dict of arrays; the file holds
them as `<part>/<array>`.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from LIVE_TRADING.common.determinism import sorted_items

Array = npt.NDArray[Any]
Parts = Mapping[str, Mapping[str, Array]]

_KINDS = "fiub"  # float, integer, unsigned, bool
_EPOCH = (1980, 1, 1, 0, 0, 0)  # numpy's own writer stamps the wall time


def encode_arrays(parts: Parts) -> bytes:
    """Return the file of named arrays, float, integer or bool of any shape.

    Raises
    ------
    ValueError
        An array is of another kind, or a part's name holds a slash.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for part, arrays in sorted_items(parts):
            for name, array in sorted_items(arrays):
                if array.dtype.kind not in _KINDS or "/" in part:
                    raise ValueError(f"{part}/{name}: {array.dtype} arrays, or such names, are not stored")
                with archive.open(zipfile.ZipInfo(f"{part}/{name}.npy", _EPOCH), "w", force_zip64=True) as member:
                    np.lib.format.write_array(member, np.asarray(array, order="C"), allow_pickle=False)
    return buffer.getvalue()


def decode_arrays(data: bytes) -> dict[str, dict[str, Array]]:
    """Return what `encode_arrays` wrote.

    Raises
    ------
    ValueError
        The bytes are no such file.
    """
    parts: dict[str, dict[str, Array]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.namelist():
                part, _, name = member.removesuffix(".npy").partition("/")
                with archive.open(member) as stream:
                    parts.setdefault(part, {})[name] = np.lib.format.read_array(stream, allow_pickle=False)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"no archive of arrays: {error}") from error
    return parts
