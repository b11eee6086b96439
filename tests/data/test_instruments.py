"""What venues allow: defaults per asset class, settings per symbol."""

# covers: P23, C9

from __future__ import annotations

from decimal import Decimal

import pytest
from pydantic import ValidationError

from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import Instrument
from LIVE_TRADING.data.instruments import AssetClass, InstrumentsConfig, instruments_for, parse_instruments


@pytest.mark.parametrize(
    ("asset_class", "expected"),
    [
        pytest.param("equity", Instrument("X", Decimal("0.01"), Decimal(1), Decimal(0), "USD"), id="cents-and-shares"),
        pytest.param(
            "crypto", Instrument("X", Decimal("1E-8"), Decimal("1E-6"), Decimal(0), "USD"), id="the-finest-steps"
        ),
    ],
)
def test_defaults(asset_class, expected):
    assert instruments_for(["X"], InstrumentsConfig(asset_class=AssetClass(asset_class))) == {"X": expected}


def test_settings_win_over_defaults_and_leave_the_rest():
    config = parse_instruments(
        {
            "asset_class": "equity",
            "symbols": {
                "BRK.A": {"tick": 0.05},
                "BTCUSDT": {"asset_class": "crypto", "tick": "0.01", "min_notional": 5, "currency": "USDT"},
            },
        }
    )
    instruments = instruments_for(["AAPL", "BRK.A", "BTCUSDT"], config)
    assert list(instruments) == ["AAPL", "BRK.A", "BTCUSDT"]
    assert instruments["AAPL"] == Instrument("AAPL")
    assert instruments["BRK.A"] == Instrument("BRK.A", tick=Decimal("0.05"))
    assert instruments["BTCUSDT"] == Instrument("BTCUSDT", Decimal("0.01"), Decimal("1E-6"), Decimal(5), "USDT")


def test_without_settings_all_are_equities():
    assert instruments_for(["AAPL"]) == {"AAPL": Instrument("AAPL")}


@pytest.mark.parametrize("symbols", [["A", "A"], ["A", ""]])
def test_symbols_are_named_once(symbols):
    with pytest.raises(ConfigurationError, match="once"):
        instruments_for(symbols)


def test_everything_that_is_wrong_is_listed():
    with pytest.raises(ConfigurationError) as error:
        parse_instruments({"symbols": {"A": {"tick": -1, "lott": 2}, "B": {"currency": "usd", "asset_class": "bond"}}})
    message = str(error.value)
    assert all(key in message for key in ("A.tick", "A.lott", "B.currency", "B.asset_class")), message


def test_settings_are_frozen():
    with pytest.raises(ValidationError):
        InstrumentsConfig().asset_class = AssetClass.CRYPTO
