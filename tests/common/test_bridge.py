"""Reports from an SDK's threads: none is lost, each thread's come in its order, and the end is said."""

from __future__ import annotations

# covers: B12
import asyncio
import threading
from collections import defaultdict
from decimal import Decimal

import pytest

from LIVE_TRADING.common.bridge import GIVES_WAY_AFTER, ReportBridge
from LIVE_TRADING.common.events import OrderFill
from LIVE_TRADING.common.exceptions import BrokerConnectionError
from LIVE_TRADING.common.types import Side

THREADS, EACH = 8, 5_000


def fill(source: int, number: int) -> OrderFill:
    amount = Decimal(1)
    return OrderFill(f"lt-{source}", f"{source}:{number}", "A", Side.BUY, amount, amount, Decimal(0), "USD", number)


def start_all(work: list[threading.Thread]) -> None:
    for thread in work:
        thread.start()


def test_eight_threads_lose_nothing_and_keep_the_order_of_each() -> None:
    async def session() -> list[OrderFill]:
        bridge: ReportBridge[OrderFill] = ReportBridge()
        at_once = threading.Barrier(THREADS)

        def callbacks(source: int) -> None:
            at_once.wait()
            for number in range(EACH):
                bridge.put(fill(source, number))

        work = [threading.Thread(target=callbacks, args=(source,)) for source in range(THREADS)]
        start_all(work)
        got = [await bridge.get() for _ in range(THREADS * EACH)]
        await asyncio.to_thread(lambda: [thread.join() for thread in work])
        assert len(bridge) == 0
        return got

    by_source: dict[str, list[int]] = defaultdict(list)
    for event in asyncio.run(session()):
        by_source[event.order_id].append(event.timestamp_ns)
    assert sorted(by_source) == [f"lt-{source}" for source in range(THREADS)]
    assert all(numbers == list(range(EACH)) for numbers in by_source.values())


def test_who_waits_is_woken_by_each_single_event() -> None:
    """Every event is put only after the one before was taken, so a wake-up that is lost would hang."""

    async def session() -> int:
        bridge: ReportBridge[int] = ReportBridge()
        taken = threading.Semaphore(1)

        def callbacks() -> None:
            for number in range(2_000):
                assert taken.acquire(timeout=20)
                bridge.put(number)

        thread = threading.Thread(target=callbacks)
        thread.start()
        for number in range(2_000):
            assert await asyncio.wait_for(bridge.get(), 20) == number
            taken.release()
        await asyncio.to_thread(thread.join)
        return number

    assert asyncio.run(session()) == 1_999


def test_what_was_put_before_the_end_is_delivered_and_then_the_end() -> None:
    async def session() -> None:
        bridge: ReportBridge[int] = ReportBridge()

        def callbacks() -> None:
            bridge.put(1)
            bridge.put(2)
            bridge.close("the socket was closed by the other side")
            bridge.close("again")

        await asyncio.to_thread(callbacks)
        assert [await bridge.get(), await bridge.get()] == [1, 2]
        for _ in range(2):
            with pytest.raises(BrokerConnectionError, match="closed by the other side"):
                await bridge.get()
        with pytest.raises(BrokerConnectionError, match="int came after"):
            bridge.put(3)

    asyncio.run(session())


def test_who_waits_is_told_of_the_end() -> None:
    async def session() -> None:
        bridge: ReportBridge[int] = ReportBridge()
        waiting = asyncio.create_task(bridge.get())
        await asyncio.sleep(0)
        await asyncio.to_thread(bridge.close, "gone")
        with pytest.raises(BrokerConnectionError, match="gone"):
            await asyncio.wait_for(waiting, 20)

    asyncio.run(session())


def test_every_event_is_heard_or_its_thread_is_told_otherwise() -> None:
    """A close that falls between: no event is dropped in silence."""

    async def session() -> None:
        bridge: ReportBridge[tuple[int, int]] = ReportBridge()
        refused: set[tuple[int, int]] = set()
        put = [0] * THREADS

        def callbacks(source: int) -> None:
            for number in range(EACH):
                put[source] = number + 1
                try:
                    bridge.put((source, number))
                except BrokerConnectionError:
                    refused.add((source, number))
                    return

        work = [threading.Thread(target=callbacks, args=(source,)) for source in range(THREADS)]
        start_all(work)
        heard: set[tuple[int, int]] = set()
        for _ in range(50):
            heard.add(await bridge.get())
        bridge.close("the operator has ended the session")
        with pytest.raises(BrokerConnectionError):
            while True:
                heard.add(await bridge.get())
        await asyncio.to_thread(lambda: [thread.join() for thread in work])
        everything = {(source, number) for source in range(THREADS) for number in range(put[source])}
        assert everything == heard | refused

    asyncio.run(session())


def test_a_reader_that_is_cancelled_loses_nothing() -> None:
    async def session() -> None:
        bridge: ReportBridge[int] = ReportBridge()
        waiting = asyncio.create_task(bridge.get())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.to_thread(bridge.put, 7)
        assert await asyncio.wait_for(bridge.get(), 20) == 7

    asyncio.run(session())


def test_a_flood_lets_the_loop_do_other_things() -> None:
    async def session() -> int:
        bridge: ReportBridge[int] = ReportBridge()
        others = 0

        async def other() -> None:
            nonlocal others
            while True:
                others += 1
                await asyncio.sleep(0)

        for number in range(4 * GIVES_WAY_AFTER):
            bridge.put(number)
        task = asyncio.create_task(other())
        assert [await bridge.get() for _ in range(4 * GIVES_WAY_AFTER)] == list(range(4 * GIVES_WAY_AFTER))
        task.cancel()
        return others

    assert asyncio.run(session()) >= 3


def test_a_thread_that_outlives_the_loop_is_told() -> None:
    async def make() -> ReportBridge[int]:
        return ReportBridge()

    bridge = asyncio.run(make())
    with pytest.raises(BrokerConnectionError, match="loop has ended"):
        bridge.put(1)
    with pytest.raises(BrokerConnectionError, match="came after"):
        bridge.put(2)
