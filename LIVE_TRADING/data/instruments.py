"""What the venue allows for each symbol: ticks, lots, smallest orders, currency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import Field

from LIVE_TRADING.common.config import FrozenConfig, config_from_dict
from LIVE_TRADING.common.exceptions import ConfigurationError
from LIVE_TRADING.common.types import Instrument


class AssetClass(StrEnum):
    """Kinds of instrument that have defaults of their own."""

    EQUITY = "equity"
    CRYPTO = "crypto"


# US stocks of a dollar or more are quoted in cents (Reg NMS rule 612) and traded here in whole shares. Crypto venues
# differ by pair: the finest step in use is the default, so that nothing is refused that a venue would take; real ones
# belong into the configuration.
DEFAULTS: Mapping[AssetClass, Instrument] = {
    AssetClass.EQUITY: Instrument("", Decimal("0.01"), Decimal("1"), Decimal("0"), "USD"),
    AssetClass.CRYPTO: Instrument("", Decimal("0.00000001"), Decimal("0.000001"), Decimal("0"), "USD"),
}


class InstrumentSettings(FrozenConfig):
    """One symbol; what is not given is as the defaults of its asset class."""

    asset_class: AssetClass | None = Field(None, description="whose defaults apply; null: that of the whole file")
    tick: Decimal | None = Field(None, gt=0, le=1_000, description="smallest price step, in `currency`")
    lot: Decimal | None = Field(None, gt=0, le=1_000_000, description="smallest quantity step, shares or units")
    min_notional: Decimal | None = Field(None, ge=0, description="smallest order, in `currency`")
    currency: str | None = Field(None, pattern=r"^[A-Z0-9]{2,10}$", description="currency of price and cash, e.g. USD")


class InstrumentsConfig(FrozenConfig):
    """All symbols that need more than defaults (CONFIG/symbols.yaml)."""

    asset_class: AssetClass = Field(AssetClass.EQUITY, description="of the symbols that say nothing else")
    symbols: dict[str, InstrumentSettings] = Field(default_factory=dict, description="settings by symbol")


def parse_instruments(tree: Mapping[str, Any]) -> InstrumentsConfig:
    """Return the settings that a mapping (read from YAML) holds.

    Raises
    ------
    ConfigurationError
        Lists everything that is wrong: unknown keys, values out of range.
    """
    return config_from_dict(InstrumentsConfig, tree)


def instruments_for(symbols: Sequence[str], config: InstrumentsConfig | None = None) -> dict[str, Instrument]:
    """Return the instrument of every symbol, in the order given.

    Raises
    ------
    ConfigurationError
        A symbol is empty or given twice.
    """
    if len(set(symbols)) != len(symbols) or not all(symbols):
        raise ConfigurationError(f"symbols {list(symbols)}: one is empty or given twice; name each once")
    config = config or InstrumentsConfig()
    return {symbol: _instrument(symbol, config) for symbol in symbols}


def _instrument(symbol: str, config: InstrumentsConfig) -> Instrument:
    given = config.symbols.get(symbol, InstrumentSettings())
    default = DEFAULTS[given.asset_class or config.asset_class]
    return Instrument(
        symbol,
        default.tick if given.tick is None else given.tick,
        default.lot if given.lot is None else given.lot,
        default.min_notional if given.min_notional is None else given.min_notional,
        default.currency if given.currency is None else given.currency,
    )
