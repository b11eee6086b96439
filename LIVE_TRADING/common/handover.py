"""How long a thread waits for the interpreter while another one works."""

from __future__ import annotations

import sys

HAND_OVER_S = 0.0005


def hand_over_soon() -> None:
    """Let a thread that waits for the interpreter have it within half a millisecond; by default it waits for five.

    The loop gives it up whenever it waits, for models, a sync or the next event. While another thread encodes a
    checkpoint, every return costs that long, several times a cycle.
    """
    sys.setswitchinterval(HAND_OVER_S)
