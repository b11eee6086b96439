"""What a start leaves behind is not looked at again; what comes after is."""

from __future__ import annotations

# covers: B2
import gc
import weakref

from LIVE_TRADING.common.garbage import settle_memory


class Node:
    """One end of a cycle that only the collector can free."""

    other: Node


def cycle() -> weakref.ref[Node]:
    one, two = Node(), Node()
    one.other, two.other = two, one
    return weakref.ref(one)


def test_what_stands_is_passed_over_and_garbage_is_not() -> None:
    before = cycle()
    try:
        settle_memory()
        assert before() is None
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < 1_000
        after = cycle()
        gc.collect()
        assert after() is None
    finally:
        gc.unfreeze()
