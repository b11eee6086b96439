"""The exception tree: its shape is what callers catch by."""

# covers: P6

from __future__ import annotations

import inspect

import pytest

from LIVE_TRADING.common import exceptions
from LIVE_TRADING.common.exceptions import FoxMLError, LiveTradingError

TREE = {
    "ConfigurationError": "LiveTradingError",
    "ModelLoadError": "LiveTradingError",
    "StateError": "LiveTradingError",
    "BrokerError": "LiveTradingError",
    "OrderRejectedError": "BrokerError",
    "BrokerConnectionError": "BrokerError",
    "DataProviderError": "LiveTradingError",
    "GatingError": "LiveTradingError",
    "RiskLimitError": "LiveTradingError",
    "KillSwitchTriggeredError": "LiveTradingError",
    "LiveTradingError": "FoxMLError",
    "FoxMLError": "Exception",
}


@pytest.mark.parametrize(("name", "parent"), sorted(TREE.items()))
def test_each_class_hangs_where_the_design_puts_it(name: str, parent: str) -> None:
    kind = getattr(exceptions, name)
    assert kind.__base__.__name__ == parent
    assert inspect.getdoc(kind)


def test_everything_of_ours_is_caught_by_the_root() -> None:
    ours = [kind for _, kind in inspect.getmembers(exceptions, inspect.isclass) if issubclass(kind, Exception)]
    assert all(issubclass(kind, FoxMLError) for kind in ours)
    assert all(issubclass(kind, LiveTradingError) for kind in ours if kind is not FoxMLError)


def test_the_sketchs_name_is_the_same_class() -> None:
    assert exceptions.ConnectionError is exceptions.BrokerConnectionError
