"""What the core commands, carried out: each command in a task of its own."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any

from LIVE_TRADING.common.async_clock import AsyncClock
from LIVE_TRADING.common.events import OrderReject
from LIVE_TRADING.common.exceptions import StateError
from LIVE_TRADING.common.types import Order
from LIVE_TRADING.engine.actors import Actors
from LIVE_TRADING.engine.commands import CancelOrder, Command, QueryOrder, RequestSnapshot, RunInference, SubmitOrder
from LIVE_TRADING.engine.group_commit import GroupCommit
from LIVE_TRADING.engine.inbox import Inbox
from LIVE_TRADING.engine.inference import Inference
from LIVE_TRADING.engine.kill_file import KillFile
from LIVE_TRADING.engine.start_up import StartUp
from LIVE_TRADING.engine.venue_link import VenueLink


class Outbound:
    """Carries out commands. Orders and cancels leave only after what led to them is durable."""

    def __init__(
        self,
        venue: VenueLink,
        inference: Inference,
        start_up: StartUp,
        commit: GroupCommit,
        kill: KillFile,
        clock: AsyncClock,
        inbox: Inbox,
    ) -> None:
        self._venue = venue
        self._inference = inference
        self._start_up = start_up
        self._commit = commit
        self._kill = kill
        self._clock = clock
        self._inbox = inbox

    def carry_out(self, actors: Actors, commands: Sequence[Command]) -> None:
        """Start what the core asks for."""
        position = self._commit.position
        for command in commands:
            if isinstance(command, SubmitOrder):
                work = partial(self._send, command.order)
                actors.start(self._once_durable(position, work), f"send {command.order.client_order_id}")
            elif isinstance(command, CancelOrder):
                work = partial(self._venue.cancel, command.client_order_id)
                actors.start(self._once_durable(position, work), f"cancel {command.client_order_id}")
            elif isinstance(command, QueryOrder):
                question = partial(self._venue.query, command.client_order_id)
                actors.start_until_end(self._start_up.asked(question))
            elif isinstance(command, RequestSnapshot):
                question = partial(self._venue.snapshot, command.after_s, must_count=command.must_count)
                actors.start_until_end(self._start_up.asked(question))
            elif isinstance(command, RunInference):
                actors.start_until_end(self._inference.infer(command))

    async def _once_durable(self, position: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Carry out what must not leave before so many records are durable; if that cannot be, it stays."""
        try:
            await self._commit.durable(position)
        except StateError:
            return
        await work()

    async def _send(self, order: Order) -> None:
        """Hand an order over, unless everything is to stop: then it has never left."""
        if pulled := self._kill.pulled():
            self._inbox.put(OrderReject(order.client_order_id, f"never sent: {pulled}", self._clock.now_ns()))
        else:
            await self._venue.send(order)
