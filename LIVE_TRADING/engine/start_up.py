"""Before the first bar: what happened while no process listened, and whether the venue's book is ours."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from LIVE_TRADING.common.async_clock import AsyncClock, Signal
from LIVE_TRADING.common.exceptions import ReconciliationError
from LIVE_TRADING.engine.inbox import Inbox
from LIVE_TRADING.engine.reconcile import refusal
from LIVE_TRADING.engine.state import CoreState
from LIVE_TRADING.engine.venue_link import VenueLink


class StartUp:
    """Asks the venue and waits until every answer has been handled; so no order leaves before its book is ours."""

    def __init__(self, venue: VenueLink, clock: AsyncClock, inbox: Inbox, state: Callable[[], CoreState]) -> None:
        self._venue = venue
        self._clock = clock
        self._inbox = inbox
        self._state = state
        self._asking = 0
        self._answered, self._quiet, self._awaits_quiet = Signal(), Signal(), False

    async def run(self, *, resumed: bool) -> None:
        """Return once the venue's book is ours.

        Raises
        ------
        ReconciliationError
            It is not.
        BrokerError
            The venue does not say.
        """
        if resumed:
            await self._venue.catch_up(self._state())
            await self._until_idle()
            await self._venue.cancel_again(self._state())
        await self._until_idle()
        await self._venue.snapshot(0, must_count=True)
        await self._until_idle()
        if said := refusal(self._state()):
            raise ReconciliationError(said)

    async def asked(self, question: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Ask the venue something; the start waits until all that was asked is answered."""
        self._asking += 1
        try:
            await question()
        finally:
            self._asking -= 1
            self._answered.set()

    def tell_quiet(self) -> bool:
        """Note that every queued event has been handled; return whether that was waited for."""
        waited, self._awaits_quiet = self._awaits_quiet, False
        if waited:
            self._quiet.set()
        return waited

    async def _until_idle(self) -> None:
        """Return when nothing that the venue was asked is open and every event that is queued has been handled."""
        await self._until_quiet()
        while self._asking:
            await self._clock.wait(self._answered, None)
            await self._until_quiet()

    async def _until_quiet(self) -> None:
        """Return when every event that is queued has been handled."""
        self._awaits_quiet = True
        self._inbox.wake.set()
        await self._clock.wait(self._quiet, None)
