"""A staged trading system with one deterministic core behind live, backtest and replay."""

from LIVE_TRADING.common.determinism import repro_bootstrap as _repro_bootstrap

_repro_bootstrap()

__version__ = "0.1.0"
