"""Python's garbage collector, kept out of the way of a loop that must answer in milliseconds."""

from __future__ import annotations

import gc


def settle_memory() -> None:
    """Collect once, and let later collections pass over what stands by now; for the end of a program's start.

    A start leaves some 250,000 objects of libraries and models behind that live as long as the process. A full
    collection in the middle of trading would look at each of them, which stops the loop for a tenth of a second.
    """
    gc.collect()
    gc.freeze()
