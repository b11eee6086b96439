"""Clocks that tasks wait on: virtual time moves only when everybody waits."""

from __future__ import annotations

# covers: P8, P27
import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from LIVE_TRADING.common.async_clock import RealTimeClock, Signal, VirtualClock


def start(clock: VirtualClock, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Run an actor as the engine's shell does."""
    clock.enter()
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(lambda _: clock.leave())
    return task


async def run_down(clock: VirtualClock) -> None:
    """Let time pass until nobody waits for an instant."""
    await clock.wait_idle()
    while clock.advance():
        await clock.wait_idle()


def test_time_stands_still_while_an_actor_works() -> None:
    async def scenario() -> list[int]:
        clock, seen = VirtualClock(100), []

        async def worker() -> None:
            for _ in range(50):
                await asyncio.sleep(0)  # busy, and giving way to others
                seen.append(clock.now_ns())

        async def sleeper() -> None:
            await clock.wait(None, 500)
            seen.append(clock.now_ns())

        start(clock, sleeper())
        start(clock, worker())
        await run_down(clock)
        return seen

    assert asyncio.run(scenario()) == [100] * 50 + [500]


def test_sleepers_wake_in_the_order_of_their_instants_and_of_their_calls() -> None:
    async def scenario() -> list[tuple[int, str]]:
        clock, seen = VirtualClock(0), []

        async def sleeper(name: str, *instants: int) -> None:
            for instant in instants:
                await clock.wait(None, instant)
                seen.append((clock.now_ns(), name))

        start(clock, sleeper("a", 10, 30))
        start(clock, sleeper("b", 10, 20, 30))
        start(clock, sleeper("c", 5))
        await run_down(clock)
        return seen

    assert asyncio.run(scenario()) == [(5, "c"), (10, "a"), (10, "b"), (20, "b"), (30, "a"), (30, "b")]


def test_an_instant_that_has_passed_does_not_wait() -> None:
    async def scenario() -> int:
        clock = VirtualClock(100)
        await clock.wait(None, 100)
        await clock.wait(None, 7)
        return clock.now_ns()

    assert asyncio.run(scenario()) == 100


def test_a_signal_wakes_before_the_instant_and_its_waiter_is_busy_from_then_on() -> None:
    async def scenario() -> list[int]:
        clock, signal, seen = VirtualClock(0), Signal(), []

        async def waiter() -> None:
            await clock.wait(signal, 1_000)
            await asyncio.sleep(0)
            seen.append(clock.now_ns())

        async def sender() -> None:
            await clock.wait(None, 10)
            signal.set()

        async def other() -> None:
            await clock.wait(None, 11)
            seen.append(-clock.now_ns())

        for work in (waiter(), sender(), other()):
            start(clock, work)
        await run_down(clock)
        return seen

    assert asyncio.run(scenario()) == [10, -11]


def test_a_signal_that_was_raised_before_is_seen_once() -> None:
    async def scenario() -> list[bool]:
        clock, signal = VirtualClock(0), Signal()
        signal.set()
        signal.set()
        await clock.wait(signal, None)
        return [signal.consume()]

    assert asyncio.run(scenario()) == [False]


def test_a_signal_raised_while_its_waiter_has_just_been_woken_by_time_is_kept() -> None:
    async def scenario() -> list[str]:
        clock, signal, seen = VirtualClock(0), Signal(), []

        async def waiter() -> None:
            await clock.wait(signal, 10)
            seen.append("time")
            await clock.wait(signal, None)
            seen.append("signal")

        async def sender() -> None:
            await clock.wait(None, 10)
            signal.set()

        start(clock, sender())
        start(clock, waiter())
        await run_down(clock)
        return seen

    assert asyncio.run(scenario()) == ["time", "signal"]


@pytest.mark.parametrize("when", ["waiting", "woken"])
def test_cancelling_a_waiter_leaves_the_count_right(when: str) -> None:
    async def scenario() -> int:
        clock, signal = VirtualClock(0), Signal()
        task = start(clock, clock.wait(signal, 50))
        await clock.wait_idle()
        if when == "woken":
            signal.set()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await asyncio.sleep(0)

        async def sleeper() -> None:
            await clock.wait(None, 80)

        start(clock, sleeper())
        await run_down(clock)
        return clock.now_ns()

    assert asyncio.run(asyncio.wait_for(scenario(), 5)) == 80


def test_an_actor_that_fails_leaves_the_others_to_go_on() -> None:
    async def scenario() -> int:
        clock = VirtualClock(0)

        async def fails() -> None:
            await clock.wait(None, 5)
            raise RuntimeError("gone")

        task = start(clock, fails())
        start(clock, clock.wait(None, 9))
        await run_down(clock)
        assert isinstance(task.exception(), RuntimeError)
        return clock.now_ns()

    assert asyncio.run(scenario()) == 9


def test_without_sleepers_time_does_not_move() -> None:
    clock = VirtualClock(3)
    assert clock.advance() is False
    assert clock.now_ns() == 3


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=5), min_size=1, max_size=6))
def test_time_only_goes_forward_and_every_wait_ends_when_it_should(plans: list[list[int]]) -> None:
    async def scenario() -> list[tuple[int, int, int]]:
        clock, seen = VirtualClock(0), []

        async def actor(number: int, waits: list[int]) -> None:
            for wait in waits:
                until = clock.now_ns() + wait
                await clock.wait(None, until)
                await asyncio.sleep(0)
                seen.append((clock.now_ns(), until, number))

        for number, waits in enumerate(plans):
            start(clock, actor(number, waits))
        await run_down(clock)
        return seen

    seen = asyncio.run(scenario())
    assert len(seen) == sum(map(len, plans))
    assert all(now == until for now, until, _ in seen)
    assert [now for now, _, _ in seen] == sorted(now for now, _, _ in seen)


# -- real time -------------------------------------------------------------------------------------------------------


def test_wall_time_is_the_system_s() -> None:
    before = time.time_ns()
    assert before <= RealTimeClock().now_ns() <= time.time_ns()


def test_recorded_time_runs_at_its_speed() -> None:
    async def scenario() -> tuple[float, int]:
        clock = RealTimeClock(origin_ns=1_000, speed=1e6)
        clock.enter()
        started = time.monotonic()
        await clock.wait(None, 1_000 + 10_000 * 10**9)  # 10,000 s in 10 ms
        clock.leave()
        return time.monotonic() - started, clock.now_ns()

    took_s, now_ns = asyncio.run(scenario())
    assert 0.005 < took_s < 60.0  # 10,000 at the speed of the wall
    assert now_ns >= 1_000 + 9_000 * 10**9


def test_in_real_time_a_signal_ends_a_wait_and_is_remembered() -> None:
    async def scenario() -> float:
        clock, signal = RealTimeClock(), Signal()
        started = time.monotonic()
        waiting = asyncio.ensure_future(clock.wait(signal, clock.now_ns() + 60 * 10**9))
        await asyncio.sleep(0)
        signal.set()
        await waiting
        signal.set()
        await clock.wait(signal, None)
        return time.monotonic() - started

    assert asyncio.run(scenario()) < 30.0  # half of what it would wait without
