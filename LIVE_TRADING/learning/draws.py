"""Uniform numbers that are a function of what they are for, so that no draw depends on another."""

from __future__ import annotations

import hashlib

DRAW_VERSION = "horizon-draw/1"


def draw_uniform(seed: int, scheduled_time_ns: int, symbol: str) -> float:
    """Return a uniform number in [0, 1): the first 53 bits of SHA-256 over version, seed, time and symbol.

    The symbol comes last, so that no two keys share a text.
    """
    text = f"{DRAW_VERSION}|{seed}|{scheduled_time_ns}|{symbol}"
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return (int.from_bytes(digest[:8], "big") >> 11) * 2.0**-53
