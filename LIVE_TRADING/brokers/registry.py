"""Brokers by name. Switching the broker is one line of configuration or one flag."""

from __future__ import annotations

import difflib
from pathlib import Path

from LIVE_TRADING.brokers.exchange import SimulatedExchange
from LIVE_TRADING.brokers.interface import Broker
from LIVE_TRADING.brokers.simulated import PaperBroker, SessionLookup
from LIVE_TRADING.common.async_clock import AsyncClock
from LIVE_TRADING.common.exceptions import ConfigurationError

BROKERS = ("paper",)


def get_broker(
    name: str,
    *,
    exchange: SimulatedExchange,
    sessions: SessionLookup,
    clock: AsyncClock,
    state_file: Path | None = None,
) -> Broker:
    """Return a broker by name.

    Parameters
    ----------
    exchange, sessions, clock
        The venue behind `paper`, its calendar, and what decides when a report arrives.
    state_file
        Where the paper venue keeps its book.

    Raises
    ------
    ConfigurationError
        No broker of that name; the nearest is named.
    """
    if name not in BROKERS:
        nearest = difflib.get_close_matches(name, BROKERS, 1) or BROKERS
        raise ConfigurationError(f"broker {name!r} is unknown to this version; did you mean {nearest[0]!r}?")
    return PaperBroker(exchange, sessions, clock, state_file)
