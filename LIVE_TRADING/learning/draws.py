"""Uniform numbers that are a function of what they are for, so that no draw depends on another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from LIVE_TRADING.common.types import FloatArray

DRAW_VERSION = "horizon-draw/1"


def draw_uniforms(seed: int, scheduled_time_ns: int, symbols: Sequence[str]) -> FloatArray:
    """Return a uniform number in [0, 1) per symbol: 53 bits of SHA-256 over version, seed, time and symbol.

    The number of a symbol does not depend on the others. The symbol comes last, so that no two keys share a text.
    """
    prefix = hashlib.sha256(f"{DRAW_VERSION}|{seed}|{scheduled_time_ns}|".encode())
    heads = []
    for symbol in symbols:
        digest = prefix.copy()
        digest.update(symbol.encode())
        heads.append(digest.digest()[:8])
    return (np.frombuffer(b"".join(heads), dtype=">u8") >> np.uint64(11)).astype(np.float64) * 2.0**-53
