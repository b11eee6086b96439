"""Recorded data at a pace: the decisions of full speed, held back to real time."""

from __future__ import annotations

# covers: B2
import asyncio
import time

from LIVE_TRADING.common.async_clock import PacedClock
from LIVE_TRADING.common.units import NS_PER_S


async def _visited(clock: PacedClock, instants_s: list[float], stop_after_s: float | None = None) -> list[float]:
    """Instants an actor reached, driven as the shell drives its clock."""
    reached: list[float] = []
    stop = asyncio.Event()

    async def actor() -> None:
        for instant_s in instants_s:
            await clock.wait(None, round(instant_s * NS_PER_S))
            reached.append(clock.now_ns() / NS_PER_S)

    clock.enter()
    task = asyncio.get_running_loop().create_task(actor())
    task.add_done_callback(lambda _: clock.leave())
    if stop_after_s is not None:
        asyncio.get_running_loop().call_later(stop_after_s, stop.set)
    while True:
        await clock.wait_idle()
        if not await clock.hold(stop) or not clock.advance():
            break
    task.cancel()
    return reached


def test_instants_before_the_origin_come_at_once_and_later_ones_at_their_pace() -> None:
    started = time.monotonic()
    reached = asyncio.run(_visited(PacedClock(100.0, 10 * NS_PER_S), [1.0, 5.0, 10.0, 20.0, 30.0]))
    assert reached == [1.0, 5.0, 10.0, 20.0, 30.0]
    assert time.monotonic() - started >= 0.2  # 20 s of data at 100 times real time


def test_a_stop_ends_the_wait() -> None:
    started = time.monotonic()
    reached = asyncio.run(_visited(PacedClock(1.0), [3600.0], stop_after_s=0.05))
    assert reached == []
    assert time.monotonic() - started < 60
